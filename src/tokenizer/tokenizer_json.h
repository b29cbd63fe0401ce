// What a tokenizer.json says (Hugging Face's tokenizers library), as far as byte-pair encoding
// needs.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>

#include "common/hash.h"
#include "tokenizer/bpe.h"
#include "tokenizer/normalizer.h"
#include "tokenizer/token_table.h"
#include "tokenizer/tokenizer_files.h"
#include "tokenizer/word_splitter.h"

namespace memlong::tokenizer {

struct TokenizerJson {
  TokenTable tokens;
  BpeRules rules;
  Normalizer normalizer;
  WordSplitter splitter;
  /// Added tokens that are no special ones: looked for in text.
  std::map<std::string, int32_t, std::less<>> added;
  std::optional<std::string> opening;  ///< the special token that its post-processor puts first
  Digest digest{};                     ///< SHA-256 of everything above but `opening`
};

/// `files`: what the files beside it name as special tokens; tokens that only they have are added
/// too. Errors: io; format; config for what is not supported, by name.
TokenizerJson read_tokenizer_json(const std::filesystem::path& file, const TokenizerFiles& files);

}  // namespace memlong::tokenizer
