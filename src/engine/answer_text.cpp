#include "engine/answer_text.h"

#include <algorithm>
#include <utility>

namespace memlong::engine {

AnswerText::AnswerText(std::shared_ptr<const tokenizer::Tokenizer> tokens,
                       std::vector<std::string> stops)
    : filter_(std::move(stops)), decoder_(std::move(tokens)) {}

std::string AnswerText::push(int32_t id) {
  const std::string text = decoder_.push(id);
  before_.push_back(size_);
  size_ += text.size();
  return filter_.push(text);
}

std::string AnswerText::finish() {
  std::string rest = filter_.push(decoder_.finish());
  rest += filter_.finish();
  return rest;
}

int64_t AnswerText::tokens_behind(size_t size) const {
  return before_.end() - std::lower_bound(before_.begin(), before_.end(), size);
}

}  // namespace memlong::engine
