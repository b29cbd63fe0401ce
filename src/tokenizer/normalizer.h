// What a tokenizer.json changes in text before it is split.
#pragma once

#include <string>
#include <variant>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "tokenizer/pattern.h"

namespace memlong::tokenizer {

/// NFC, NFD, NFKC, NFKD, Replace, and sequences of these. Immutable and thread-safe.
class Normalizer {
 public:
  Normalizer() = default;  ///< changes nothing
  /// `value`: the normalizer of a tokenizer.json, or null. Errors: config for a kind that is not
  /// supported, format for what is none; `origin` begins the message.
  Normalizer(const nlohmann::json& value, const std::string& origin);

  /// What a Prepend in it puts before a text: the tokenizer's dummy prefix, not put here. "": none.
  [[nodiscard]] const std::string& prefix() const { return prefix_; }
  /// `text` is valid UTF-8, and so is the result. Errors: as Pattern::find().
  [[nodiscard]] std::string apply(std::string text) const;

 private:
  enum class Form : uint8_t { nfc, nfd, nfkc, nfkd };
  struct Replace {
    Pattern pattern;
    std::string content;
  };

  void add(const nlohmann::json& value, const std::string& origin);

  std::vector<std::variant<Form, Replace>> steps_;
  std::string prefix_;
};

}  // namespace memlong::tokenizer
