// WordPiece (Schuster and Nakajima, 2012), as BERT reads it. Internal to the tokenizer.
#pragma once

#include <string>
#include <string_view>

#include "tokenizer/tokenizer.h"
#include "tokenizer/vocabulary.h"

namespace memlong::tokenizer {

struct WordPieceRules {
  Vocabulary vocabulary;
  int32_t unknown = -1;
  std::string continuation = "##";  ///< opens a piece that does not open a word
  int64_t max_characters = 100;     ///< a longer word is unknown
};

/// Immutable and thread-safe.
class WordPiece {
 public:
  explicit WordPiece(WordPieceRules rules) : rules_(std::move(rules)) {}

  /// Puts the pieces of `word`, valid UTF-8, behind `into`: the longest that fits, again and again;
  /// where at some place none fits, the word is unknown as a whole.
  void encode(std::string_view word, Ids& into) const;

 private:
  WordPieceRules rules_;
};

}  // namespace memlong::tokenizer
