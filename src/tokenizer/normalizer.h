// What a tokenizer.json changes in text before it is split.
#pragma once

#include <string>
#include <variant>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "tokenizer/pattern.h"
#include "tokenizer/unicode_form.h"

namespace memlong::tokenizer {

/// NFC, NFD, NFKC, NFKD, Replace, Prepend, and sequences of these. Immutable and thread-safe.
class Normalizer {
 public:
  Normalizer() = default;  ///< changes nothing
  /// `value`: the normalizer of a tokenizer.json, or null. Errors: config for a kind that is not
  /// supported, format for what is none; `origin` begins the message.
  Normalizer(const nlohmann::json& value, const std::string& origin);

  /// Whether a Prepend puts something before a text.
  [[nodiscard]] bool prepends() const;
  /// `text` is valid UTF-8, and so is the result. `opens`: it opens a text, and a Prepend counts.
  /// Errors: as Pattern::find(); format, where a Replace makes more than 64 MiB of it.
  [[nodiscard]] std::string apply(std::string text, bool opens) const;

 private:
  struct Prepend {
    std::string content;
  };
  struct Replace {
    Pattern pattern;
    std::string content;
  };

  void add(const nlohmann::json& value, const std::string& origin);

  std::vector<std::variant<UnicodeForm, Prepend, Replace>> steps_;
};

}  // namespace memlong::tokenizer
