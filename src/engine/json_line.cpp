#include "engine/json_line.h"

#include <string>

#include "common/error.h"
#include "common/json_depth.h"
#include "engine/ingest_text.h"

namespace memlong::engine {

nlohmann::json parse_json_line(std::string_view line) {
  TextCheck check;
  check.feed(line);
  check_json_depth(line, "not JSON that is read");
  try {
    return nlohmann::json::parse(line);
  } catch (const nlohmann::json::parse_error& error) {
    const size_t at = error.byte > 0 ? error.byte - 1 : 0;
    fail(ErrorKind::format, "not JSON (byte " + std::to_string(at) + ")");
  } catch (const nlohmann::json::exception&) {
    fail(ErrorKind::format, "not JSON (a number is out of range)");
  }
}

}  // namespace memlong::engine
