// Ids to text as they arrive: never half a character, no lost spaces.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "tokenizer/tokenizer.h"

namespace memlong::tokenizer {

/// Not thread-safe.
class StreamDecoder {
 public:
  explicit StreamDecoder(std::shared_ptr<const Tokenizer> tokenizer);
  /// The text that became certain with this id; incomplete UTF-8 is held back, bytes that can
  /// never become a character give U+FFFD.
  std::string push(int32_t id);
  /// What was held back, at the end.
  std::string finish();

 private:
  std::shared_ptr<const Tokenizer> tokenizer_;
  std::string pending_;
  bool at_start_ = true;
};

}  // namespace memlong::tokenizer
