// What the files of sentence-transformers in an encoder's folder say.
#pragma once

#include <cstdint>
#include <filesystem>

namespace memlong::model {

/// How the rows of a text become one vector: that of the first token, or their mean.
enum class Pooling : uint8_t { cls, mean };

struct SentenceFiles {
  std::filesystem::path transformer;  ///< where config.json, weights and tokenizer are
  /// Of 1_Pooling/config.json. Without one the mean, as sentence-transformers has it.
  Pooling pooling = Pooling::mean;
  int64_t max_tokens = 0;  ///< of a text, special ones counted; 0: nothing is said
};

/// modules.json (Transformer, Pooling, Normalize), the pooling's config.json and
/// sentence_bert_config.json, each where it is there. Errors: io; format for what is no JSON;
/// config for modules, ways to pool and settings that are not read, by name.
SentenceFiles read_sentence_files(const std::filesystem::path& folder);

}  // namespace memlong::model
