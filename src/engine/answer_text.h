// The text of an answer as its tokens come: no half characters, cut at the first stop text.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "engine/stop_filter.h"
#include "tokenizer/stream_decoder.h"

namespace memlong::engine {

/// Not thread-safe.
class AnswerText {
 public:
  AnswerText(std::shared_ptr<const tokenizer::Tokenizer> tokens, std::vector<std::string> stops);

  /// What became certain with the next token.
  std::string push(int32_t id);
  /// What was held back, at the end.
  std::string finish();
  /// A stop text has come.
  [[nodiscard]] bool stopped() const { return filter_.stopped(); }
  /// So many of the last tokens lie wholly behind the first `size` bytes of the text.
  [[nodiscard]] int64_t tokens_behind(size_t size) const;

 private:
  StopFilter filter_;
  tokenizer::StreamDecoder decoder_;
  std::vector<size_t> before_;  ///< of each token: bytes of text before it
  size_t size_ = 0;
};

}  // namespace memlong::engine
