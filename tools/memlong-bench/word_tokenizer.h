// A stand-in for a tokenizer: each word is one token. For shapes, which have no tokenizer.
#pragma once

#include "tokenizer/tokenizer.h"

namespace memlong::bench_tool {

class WordTokenizer : public tokenizer::Tokenizer {
 public:
  explicit WordTokenizer(int32_t vocab) : vocab_(vocab) {}
  [[nodiscard]] tokenizer::Ids encode(std::string_view text, bool continues) const override;
  [[nodiscard]] std::string decode(std::span<const int32_t> ids, bool show_special) const override;
  [[nodiscard]] std::string piece_bytes(int32_t id) const override;
  [[nodiscard]] int32_t vocab_size() const override { return vocab_; }
  [[nodiscard]] int32_t bos() const override { return 1; }
  [[nodiscard]] int32_t eos() const override { return 2; }
  [[nodiscard]] bool adds_bos() const override { return true; }
  [[nodiscard]] bool adds_dummy_prefix() const override { return false; }
  [[nodiscard]] bool is_special(int32_t id) const override { return id < 3; }
  [[nodiscard]] std::optional<int32_t> special_id(std::string_view text) const override;
  [[nodiscard]] Digest hash() const override { return sha256("words"); }

 private:
  int32_t vocab_;
};

}  // namespace memlong::bench_tool
