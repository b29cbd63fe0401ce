// What a tokenizer.json looks for in text: a text as it stands, or a regular expression.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace memlong::tokenizer {

/// Immutable and thread-safe; copies share the compiled expression.
class Pattern {
 public:
  struct Match {
    size_t begin = 0;
    size_t end = 0;
  };

  static Pattern literal(std::string text);
  /// Read by PCRE2, with Unicode's classes (\s, \p{L}). The tokenizers library has Oniguruma, which
  /// reads what tokenizers have in use in the same way; what it knows alone, sets within sets
  /// ([a&&[^b]]) and \h, is refused (config). Errors: format, with `origin` and the reason.
  static Pattern regex(const std::string& expression, const std::string& origin);

  /// The first match at or behind `from`; an expression may match nothing at a place, a literal
  /// text that is empty is found nowhere. `text` is valid UTF-8, `from` begins a character or is
  /// its end. Errors: format, where an expression takes too many steps or too much memory on this
  /// text.
  [[nodiscard]] std::optional<Match> find(std::string_view text, size_t from) const;

 private:
  class Regex;
  std::string text_;
  std::shared_ptr<const Regex> regex_;
};

}  // namespace memlong::tokenizer
