#include "engine/session_store.h"

namespace memlong::engine {

std::vector<AnswerSpan> answer_spans(const std::vector<membank::Turn>& turns) {
  std::vector<AnswerSpan> spans;
  const membank::Turn* asked = nullptr;
  for (const membank::Turn& turn : turns) {
    if (turn.role == "user") {
      if (!spans.empty() && spans.back().end < 0) spans.back().end = turn.begin;
      asked = &turn;
    } else if (turn.role == "assistant" && asked != nullptr) {
      const bool marked = turn.content_begin > turn.begin;
      spans.push_back({.begin = marked ? turn.begin : turn.begin - 1,
                       .end = -1,
                       .query_begin = asked->begin,
                       .query_end = asked->end,
                       .query = {}});
    }
  }
  return spans;
}

}  // namespace memlong::engine
