// A line of a JSON lines file. Included only by .cpp files.
#pragma once

#include <string_view>

#include <nlohmann/json.hpp>

namespace memlong::engine {

/// Its value. Errors: format, with the byte in the line (from 0): not UTF-8, a NUL byte, not JSON,
/// a number that no double holds, more than 200 levels of nesting.
nlohmann::json parse_json_line(std::string_view line);

}  // namespace memlong::engine
