#include "tokenizer/stream_decoder.h"

#include "common/utf8.h"

namespace memlong::tokenizer {

StreamDecoder::StreamDecoder(std::shared_ptr<const Tokenizer> tokenizer)
    : tokenizer_(std::move(tokenizer)) {}

std::string StreamDecoder::push(int32_t id) {
  if (tokenizer_->is_special(id)) return take_rest(pending_);  // no character goes across a mark
  std::string bytes = tokenizer_->piece_bytes(id);
  if (at_start_ && !bytes.empty()) {
    at_start_ = false;
    if (tokenizer_->adds_dummy_prefix() && bytes.front() == ' ') bytes.erase(0, 1);
  }
  pending_ += bytes;
  return take_characters(pending_);
}

std::string StreamDecoder::finish() { return take_rest(pending_); }

}  // namespace memlong::tokenizer
