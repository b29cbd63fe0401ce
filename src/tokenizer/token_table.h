// The tokens of a vocabulary by id: their texts, what they add to a text, which are special.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace memlong::tokenizer {

struct Token {
  std::string text;   ///< as the files spell it
  std::string bytes;  ///< what it adds to a text; special ones add nothing
  bool special = false;
};

inline constexpr std::string_view kSpaceMark = "\xE2\x96\x81";  ///< U+2581: a space in a token
/// What decodes an unknown token (as sentencepiece does it).
inline constexpr std::string_view kUnknownText = " \xE2\x81\x87 ";

/// Immutable and thread-safe once it is filled.
class TokenTable {
 public:
  /// Puts a token at an id; ids between that were never put are tokens of no text.
  void put(size_t id, Token token);

  [[nodiscard]] int32_t size() const { return static_cast<int32_t>(tokens_.size()); }
  [[nodiscard]] const Token& at(size_t id) const { return tokens_[id]; }
  [[nodiscard]] bool is_special(int32_t id) const;
  /// Text and id of every special token, by text; of two with one text the lower id.
  [[nodiscard]] std::map<std::string, int32_t, std::less<>> specials() const;
  /// The special token of this text; `otherwise` where none is named, -1 for "". Errors: config,
  /// where there is no such token: "ORIGIN has no special token TEXT, which WHO".
  [[nodiscard]] int32_t named(const std::optional<std::string>& text, int32_t otherwise,
                              const char* who, const std::string& origin) const;
  /// Empty for special tokens and for ids beyond the table (rows that pad a model's vocabulary).
  [[nodiscard]] std::string piece_bytes(int32_t id) const;
  /// As Tokenizer::decode(). `dummy_prefix`: a space that opens the text was put there.
  [[nodiscard]] std::string decode(std::span<const int32_t> ids, bool show_special,
                                   bool dummy_prefix) const;

 private:
  std::vector<Token> tokens_;
};

}  // namespace memlong::tokenizer
