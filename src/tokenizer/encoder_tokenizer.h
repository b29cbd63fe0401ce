// Text to the ids that a text encoder reads.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string_view>

#include "common/hash.h"
#include "tokenizer/tokenizer.h"

namespace memlong::tokenizer {

/// Immutable and thread-safe.
class EncoderTokenizer {
 public:
  virtual ~EncoderTokenizer() = default;

  /// Plain text to ids, with nothing around them. Text that spells a special token ("[SEP]", "<s>")
  /// is encoded as ordinary characters. Bytes that are no UTF-8 count as U+FFFD.
  [[nodiscard]] virtual Ids encode(std::string_view text) const = 0;

  [[nodiscard]] virtual int32_t opening() const = 0;     ///< before a text: [CLS], <s>
  [[nodiscard]] virtual int32_t closing() const = 0;     ///< behind it: [SEP], </s>
  [[nodiscard]] virtual int32_t vocab_size() const = 0;  ///< all ids are below
  /// SHA-256 of everything that decides how text becomes ids.
  [[nodiscard]] virtual Digest hash() const = 0;
};

/// WordPiece as BERT has it: tokenizer.json (BertNormalizer, BertPreTokenizer, WordPiece), else
/// vocab.txt, with what tokenizer_config.json says of either (do_lower_case, strip_accents,
/// tokenize_chinese_chars of vocab.txt; cls_token, sep_token). Ids are those of the tokenizers
/// library. Errors: io; format; config for what is not supported, by name.
std::shared_ptr<const EncoderTokenizer> load_bert_tokenizer(const std::filesystem::path& folder);

/// Whether there is a sentencepiece.bpe.model.
bool has_xlm_roberta_tokenizer(const std::filesystem::path& folder);

/// sentencepiece.bpe.model with the ids of XLM-RoBERTa (fairseq's: <s>, <pad>, </s>, <unk>, then
/// the model's pieces). Errors: io; format; config.
std::shared_ptr<const EncoderTokenizer> load_xlm_roberta_tokenizer(
    const std::filesystem::path& folder);

}  // namespace memlong::tokenizer
