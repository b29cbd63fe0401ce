// Text to token ids and back. One small interface; each library behind it stays in one file.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/hash.h"

namespace memlong::tokenizer {

using Ids = std::vector<int32_t>;

/// Immutable and thread-safe.
class Tokenizer {
 public:
  virtual ~Tokenizer() = default;

  /// Plain text to ids. Never yields a control or special id: text that spells "<s>" or
  /// "<|end|>" is encoded as ordinary characters. `continues` says that text was encoded before
  /// it, so that no dummy prefix is put in front.
  [[nodiscard]] virtual Ids encode(std::string_view text, bool continues = false) const = 0;

  /// Ids to text; control and special ids give nothing unless `show_special`.
  [[nodiscard]] virtual std::string decode(std::span<const int32_t> ids,
                                           bool show_special = false) const = 0;

  /// The bytes that one id adds in the middle of a text (a byte piece gives one raw byte).
  [[nodiscard]] virtual std::string piece_bytes(int32_t id) const = 0;

  [[nodiscard]] virtual int32_t vocab_size() const = 0;
  [[nodiscard]] virtual int32_t bos() const = 0;    ///< -1: none
  [[nodiscard]] virtual int32_t eos() const = 0;    ///< -1: none
  [[nodiscard]] virtual bool adds_bos() const = 0;  ///< a document or prompt starts with BOS
  [[nodiscard]] virtual bool adds_dummy_prefix() const = 0;
  [[nodiscard]] virtual bool is_special(int32_t id) const = 0;
  /// The id of a control or special token by its text ("<|user|>").
  [[nodiscard]] virtual std::optional<int32_t> special_id(std::string_view text) const = 0;
  /// SHA-256 of everything that decides how text becomes ids.
  [[nodiscard]] virtual Digest hash() const = 0;
};

/// Opens the tokenizer of a model folder: tokenizer.model (sentencepiece), else tokenizer.json
/// (byte-pair encoding), with what tokenizer_config.json, special_tokens_map.json and
/// added_tokens.json say beside it. Errors: io; format; config for what is not supported, by name.
std::shared_ptr<const Tokenizer> load_tokenizer(const std::filesystem::path& folder);

}  // namespace memlong::tokenizer
