#include "tokenizer/json_values.h"

#include "common/error.h"
#include "common/file.h"
#include "common/json_depth.h"

namespace memlong::tokenizer {

using nlohmann::json;

json read_json_object(const std::filesystem::path& file) {
  constexpr size_t kMaxFileBytes = size_t{64} << 20;
  std::error_code ignored;
  if (!std::filesystem::exists(file, ignored)) return json::object();
  const std::string text = read_file(file, kMaxFileBytes);
  check_json_depth(text, file.string());
  json root = json::parse(text, nullptr, false);
  if (!root.is_object()) fail(ErrorKind::format, file.string() + " is not a JSON object");
  return root;
}

std::optional<std::string> token_text(const json& value) {
  if (value.is_string()) return value.get<std::string>();
  if (value.is_object() && value.contains("content") && value["content"].is_string()) {
    return value["content"].get<std::string>();
  }
  if (value.is_null()) return std::string();
  return std::nullopt;
}

std::string type_of(const json& value, const char* part, const std::string& origin) {
  if (!value.is_object()) fail(ErrorKind::format, origin + ": its " + part + " is no object");
  return string_of(value, "type", origin + ": " + part);
}

std::string string_of(const json& value, const char* key, const std::string& origin) {
  const auto found = value.find(key);
  if (found == value.end() || !found->is_string()) {
    fail(ErrorKind::format, origin + ": " + key + " is no text");
  }
  return found->get<std::string>();
}

const json& list_of(const json& value, const char* key, const std::string& origin) {
  const auto found = value.find(key);
  if (found == value.end() || !found->is_array()) {
    fail(ErrorKind::format, origin + ": " + key + " is no list");
  }
  return *found;
}

bool flag_of(const json& value, const char* key, bool otherwise, const std::string& origin) {
  const auto found = value.find(key);
  if (found == value.end() || found->is_null()) return otherwise;
  if (!found->is_boolean()) fail(ErrorKind::format, origin + ": " + key + " is not true or false");
  return found->get<bool>();
}

Pattern pattern_of(const json& value, const std::string& origin) {
  const auto found = value.find("pattern");
  if (found != value.end() && found->is_object()) {
    if (found->contains("String")) return Pattern::literal(string_of(*found, "String", origin));
    if (found->contains("Regex")) return Pattern::regex(string_of(*found, "Regex", origin), origin);
  }
  fail(ErrorKind::format, origin + ": pattern is neither a String nor a Regex");
}

}  // namespace memlong::tokenizer
