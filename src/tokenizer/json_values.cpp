#include "tokenizer/json_values.h"

#include "common/error.h"

namespace memlong::tokenizer {

using nlohmann::json;

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
