// Byte-pair encoding of one word, as the tokenizers library does it (Sennrich et al., arXiv
// 1508.07909; merges in the order in which they were learnt).
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "tokenizer/tokenizer.h"
#include "tokenizer/vocabulary.h"

namespace memlong::tokenizer {

struct BpeRules {
  /// Text of each token that encoding may yield, by id; empty: none (special tokens, holes).
  std::vector<std::string> tokens;
  struct Merge {
    int32_t left = -1;
    int32_t right = -1;
    int32_t merged = -1;
  };
  /// In the order in which they were learnt; those of ids without a text are left out.
  std::vector<Merge> merges;
  bool byte_level = false;     ///< a word begins as bytes; else as characters
  bool ignore_merges = false;  ///< a word that is a token is that token
  /// Tokens of bytes that stand in for a character without a token; -1: there is none.
  std::array<int32_t, 256> fallback{};
  int32_t unknown = -1;       ///< what stands in where these do not; -1: nothing
  bool fuse_unknown = false;  ///< one for a run of them
};

/// Immutable and thread-safe.
class Bpe {
 public:
  explicit Bpe(const BpeRules& rules);

  /// Puts the tokens of `word` behind `into`. In time n log n of its length.
  void encode(std::string_view word, Ids& into) const;

 private:
  struct Merge {
    int32_t rank = 0;
    int32_t id = 0;
  };
  [[nodiscard]] Ids first_tokens(std::string_view word) const;
  [[nodiscard]] const Merge* merge_of(int32_t left, int32_t right) const;
  void merge_all(Ids& ids) const;

  Vocabulary vocabulary_;
  std::unordered_map<uint64_t, Merge> merges_;  ///< by both ids
  std::array<int32_t, 256> bytes_{};            ///< the token of each byte, with byte_level
  std::array<int32_t, 256> fallback_{};
  int32_t unknown_;
  bool fuse_unknown_;
  bool byte_level_;
  bool ignore_merges_;
};

}  // namespace memlong::tokenizer
