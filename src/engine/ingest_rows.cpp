#include "engine/ingest_rows.h"

#include "common/error.h"
#include "engine/json_line.h"
#include "membank/types.h"

namespace memlong::engine {
namespace {

using nlohmann::json;

constexpr size_t kBlockBytes = size_t{64} << 10;

std::string string_field(const json& row, const std::string& key) {
  const auto at = row.find(key);
  if (at == row.end() || at->is_null()) return {};
  if (at->is_string()) return at->get<std::string>();
  if (at->is_number()) return at->dump();
  fail(ErrorKind::format, "field \"" + key + "\" is not a string");
}

/// "role: content" lines.
std::string dialog_text(const json& turns, const std::string& key) {
  if (!turns.is_array()) fail(ErrorKind::format, "field \"" + key + "\" is not a list");
  std::string text;
  for (const json& turn : turns) {
    if (!turn.is_object() || !turn.contains("role") || !turn["role"].is_string() ||
        !turn.contains("content") || !turn["content"].is_string()) {
      fail(ErrorKind::format,
           "\"" + key + "\" must hold objects with the strings \"role\" and \"content\"");
    }
    text += turn["role"].get_ref<const std::string&>() + ": " +
            turn["content"].get_ref<const std::string&>() + "\n";
  }
  return text;
}

std::string row_text(const json& row, const std::string& field) {
  if (const auto text = row.find(field); text != row.end()) {
    if (!text->is_string()) fail(ErrorKind::format, "field \"" + field + "\" is not a string");
    return text->get<std::string>();
  }
  for (const char* key : {"turns", "messages"}) {
    if (const auto turns = row.find(key); turns != row.end()) return dialog_text(*turns, key);
  }
  fail(ErrorKind::format, "no field \"" + field + "\", \"turns\" or \"messages\"");
}

}  // namespace

Row parse_row(std::string_view line, const RowFields& fields) {
  const json json_row = parse_json_line(line);
  if (!json_row.is_object()) fail(ErrorKind::format, "not a JSON object");
  Row row{.text = row_text(json_row, fields.text),
          .name = string_field(json_row, fields.name),
          .name_space = string_field(json_row, "namespace")};
  if (row.name_space.size() > membank::kMaxNameSpaceBytes) {
    fail(ErrorKind::format, "its namespace has " + std::to_string(row.name_space.size()) +
                                " bytes; " + std::to_string(membank::kMaxNameSpaceBytes) +
                                " are the most");
  }
  return row;
}

bool LineReader::next(std::string& line) {
  line.clear();
  line_bytes_ = 0;
  too_long_ = false;
  while (true) {
    const size_t newline = buffer_.find('\n', begin_);
    const size_t end = newline == std::string::npos ? buffer_.size() : newline;
    const size_t room = kMaxRowBytes - line.size();
    too_long_ = too_long_ || end - begin_ > room;
    line.append(buffer_, begin_, std::min(end - begin_, room));
    line_bytes_ += static_cast<int64_t>(end - begin_);
    begin_ = end;
    if (newline != std::string::npos) {
      ++begin_;
      ++line_bytes_;
      break;
    }
    buffer_.resize(kBlockBytes);
    buffer_.resize(read_(buffer_.data(), kBlockBytes));
    begin_ = 0;
    if (!buffer_.empty()) continue;
    if (line_bytes_ == 0) return false;
    break;
  }
  ++number_;
  return true;
}

}  // namespace memlong::engine
