#include "train/cut.h"

#include <algorithm>

#include "common/error.h"

namespace memlong::train {
namespace {

float weight_of(TokenKind kind, const TokenWeights& weights) {
  switch (kind) {
    case TokenKind::text:
      return static_cast<float>(weights.text);
    case TokenKind::user:
      return static_cast<float>(weights.user);
    case TokenKind::assistant:
      return static_cast<float>(weights.assistant);
    case TokenKind::reply:
      return static_cast<float>(weights.reply < 0.0 ? weights.assistant : weights.reply);
    case TokenKind::answer:
      break;
  }
  return static_cast<float>(weights.answer);
}

}  // namespace

Sequence cut_sequence(const Document& document, const Cut& cut, const TokenWeights& weights) {
  const int64_t limit = cut.limit < 0 ? document.size() : cut.limit;
  MEMLONG_CHECK(
      0 <= cut.begin && cut.begin < cut.end && cut.end <= limit && limit <= document.size(),
      "a cut lies within its document");
  Sequence sequence;
  const auto add = [&sequence](int32_t id, int32_t target, float weight) {
    sequence.ids.push_back(id);
    sequence.targets.push_back(target);
    sequence.weights.push_back(weight);
  };
  if (cut.lead_bos >= 0) add(cut.lead_bos, -1, 0.0F);
  for (int64_t token = cut.begin; token < cut.end; ++token) {
    const int32_t id = document.ids[static_cast<size_t>(token)];
    if (token < cut.fresh || token + 1 >= limit) {
      add(id, -1, 0.0F);
    } else {
      add(id, document.ids[static_cast<size_t>(token) + 1],
          weight_of(document.kind(token + 1), weights));
    }
  }
  const int64_t first_row = cut.begin - (cut.lead_bos >= 0 ? 1 : 0);
  if (cut.queried) {
    for (const engine::AnswerSpan& span : document.spans) {
      const int64_t last = std::min({span.query_end, span.begin, cut.end + 1}) - 1;
      for (int64_t token = std::max(span.from, cut.begin); token < last; ++token) {
        sequence.targets[static_cast<size_t>(token - first_row)] = -1;
        sequence.weights[static_cast<size_t>(token - first_row)] = 0.0F;
      }
    }
  }
  for (const ProbedAnswer& answer : document.answers) {
    const int64_t begin = std::max(answer.begin - 1, cut.begin);
    const int64_t end = std::min(answer.end - 1, cut.end);
    if (begin >= end) continue;
    if (answer.fact >= 0 && answer.fact < cut.known) {
      std::fill(sequence.weights.begin() + (begin - first_row),
                sequence.weights.begin() + (end - first_row), 0.0F);
      continue;
    }
    const bool whole = answer.begin - 1 >= std::max(cut.begin, cut.fresh) &&
                       answer.end - 1 <= cut.end && answer.end <= limit;
    if (!cut.answers || !whole) continue;
    sequence.answers.push_back({.begin = begin - first_row, .end = end - first_row});
  }
  return sequence;
}

}  // namespace memlong::train
