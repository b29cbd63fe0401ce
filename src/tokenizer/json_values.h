// Values of a tokenizer.json, checked. Included only by .cpp files of this folder.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include <nlohmann/json.hpp>

#include "tokenizer/pattern.h"

namespace memlong::tokenizer {

/// The file's object; empty when there is no such file. Errors: io, format.
nlohmann::json read_json_object(const std::filesystem::path& file);
/// A token is a string, or an object with `content`; null is "none"; any other value is nothing.
std::optional<std::string> token_text(const nlohmann::json& value);

// All of the following: Errors{format}, naming `origin` and the key, where the value is of another
// kind.

/// The "type" of a part, such as a normalizer.
std::string type_of(const nlohmann::json& value, const char* part, const std::string& origin);
std::string string_of(const nlohmann::json& value, const char* key, const std::string& origin);
const nlohmann::json& list_of(const nlohmann::json& value, const char* key,
                              const std::string& origin);
bool flag_of(const nlohmann::json& value, const char* key, bool otherwise,
             const std::string& origin);
/// The value's "pattern": {"String": "..."} or {"Regex": "..."}.
Pattern pattern_of(const nlohmann::json& value, const std::string& origin);

}  // namespace memlong::tokenizer
