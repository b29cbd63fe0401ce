// What the JSON files beside tokenizer.model or tokenizer.json say.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <set>
#include <string>

namespace memlong::tokenizer {

inline constexpr int64_t kMaxTokenId = int64_t{1} << 20;  ///< ids up to the largest take memory

struct AddedToken {
  std::string text;
  bool special = false;
};

struct TokenizerFiles {
  std::optional<std::string> bos;  ///< not given: as the model file says; "": none
  std::optional<std::string> eos;
  std::optional<bool> add_bos;
  bool add_prefix_space = true;
  std::set<std::string> specials;       ///< texts named as special tokens
  std::map<int32_t, AddedToken> added;  ///< by id; none that the model has no row for
  int64_t rows = kMaxTokenId;           ///< of the model's embedding, where config.json says it
};

/// Whether the model has a row for an added token; warns where it has none. Models are published
/// with tokens (<pad>) that were added to the tokenizer alone: those never occur.
bool has_row(const TokenizerFiles& files, int64_t id, const std::string& text,
             const std::string& origin);

/// tokenizer_config.json, special_tokens_map.json and added_tokens.json, those that are there, and
/// the size of the vocabulary in config.json.
/// Errors: io; format for bad JSON or values, naming the file.
TokenizerFiles read_tokenizer_files(const std::filesystem::path& folder);

}  // namespace memlong::tokenizer
