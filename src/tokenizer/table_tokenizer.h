// What all tokenizers with a table of tokens have in common: everything but encoding.
#pragma once

#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "tokenizer/token_table.h"
#include "tokenizer/tokenizer.h"

namespace memlong::tokenizer {

/// A constructor of a derived class fills the members; then they stay as they are.
class TableTokenizer : public Tokenizer {
 public:
  [[nodiscard]] std::string decode(std::span<const int32_t> ids, bool show_special) const final {
    return tokens_.decode(ids, show_special, dummy_prefix_);
  }
  [[nodiscard]] std::string piece_bytes(int32_t id) const final { return tokens_.piece_bytes(id); }
  [[nodiscard]] int32_t vocab_size() const final { return tokens_.size(); }
  [[nodiscard]] int32_t bos() const final { return bos_; }
  [[nodiscard]] int32_t eos() const final { return eos_; }
  [[nodiscard]] bool adds_bos() const final { return adds_bos_; }
  [[nodiscard]] bool adds_dummy_prefix() const final { return dummy_prefix_; }
  [[nodiscard]] bool is_special(int32_t id) const final { return tokens_.is_special(id); }
  [[nodiscard]] std::optional<int32_t> special_id(std::string_view text) const final {
    const auto found = special_ids_.find(text);
    if (found == special_ids_.end()) return std::nullopt;
    return found->second;
  }
  [[nodiscard]] Digest hash() const final { return hash_; }

 protected:
  TokenTable tokens_;
  std::map<std::string, int32_t, std::less<>> special_ids_;
  bool dummy_prefix_ = false;
  bool adds_bos_ = false;
  int32_t bos_ = -1;
  int32_t eos_ = -1;
  Digest hash_{};
};

}  // namespace memlong::tokenizer
