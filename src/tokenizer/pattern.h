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
  /// As the tokenizers library reads it: Oniguruma, Ruby's syntax, UTF-8. Errors: format, with
  /// `origin` and the reason.
  static Pattern regex(const std::string& expression, const std::string& origin);

  /// The first match at or behind `from` that is not empty. `text` is valid UTF-8. Errors: format,
  /// where an expression takes too many steps or too much memory on this text.
  [[nodiscard]] std::optional<Match> find(std::string_view text, size_t from) const;

 private:
  class Regex;
  std::string text_;
  std::shared_ptr<const Regex> regex_;
};

}  // namespace memlong::tokenizer
