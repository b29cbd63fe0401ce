// The kinds of tokenizers behind load_tokenizer(). Internal to the tokenizer.
#pragma once

#include <filesystem>
#include <memory>

#include "tokenizer/tokenizer.h"
#include "tokenizer/tokenizer_files.h"

namespace memlong::tokenizer {

/// tokenizer.model: a sentencepiece model. Errors: io, format, config.
std::shared_ptr<const Tokenizer> load_sentencepiece_tokenizer(const std::filesystem::path& file,
                                                              const TokenizerFiles& files);

/// tokenizer.json with byte-pair encoding: by bytes (Llama 3, Qwen2), or by characters with bytes
/// for what has no token (Llama 2, Mistral). Ids are those of the tokenizers library, but for text
/// that spells special tokens, which stays text, and added tokens that are not special are looked
/// for in the text as it comes, before anything is normalised. Errors: io; format; config for what
/// is not supported, by name.
std::shared_ptr<const Tokenizer> load_json_tokenizer(const std::filesystem::path& file,
                                                     const TokenizerFiles& files);

}  // namespace memlong::tokenizer
