#include "engine/answer_spans.h"

#include <algorithm>
#include <iterator>

namespace memlong::engine {

AnswerSpan next_span(std::span<const AnswerSpan> spans, int64_t begin, int64_t query_begin,
                     int64_t query_end) {
  const bool again = !spans.empty() && spans.back().query_begin == query_begin;
  return {.from = again ? begin : std::min(query_begin, begin),
          .begin = begin,
          .end = -1,
          .query_begin = query_begin,
          .query_end = query_end,
          .query = {}};
}

std::vector<AnswerSpan> answer_spans(const std::vector<membank::Turn>& turns) {
  std::vector<AnswerSpan> spans;
  const membank::Turn* asked = nullptr;
  for (const membank::Turn& turn : turns) {
    if (turn.role == "user") {
      if (!spans.empty() && spans.back().end < 0) spans.back().end = turn.begin;
      asked = &turn;
    } else if (turn.role == "assistant" && asked != nullptr) {
      const bool marked = turn.content_begin > turn.begin;
      const int64_t begin = marked ? turn.begin : turn.begin - 1;
      spans.push_back(next_span(spans, begin, asked->begin, asked->end));
    }
  }
  return spans;
}

int64_t span_at(std::span<const AnswerSpan> spans, int64_t position) {
  const auto after = std::ranges::upper_bound(spans, position, {}, &AnswerSpan::from);
  if (after == spans.begin()) return -1;
  const AnswerSpan& span = *std::prev(after);
  if (span.end >= 0 && position >= span.end) return -1;
  return std::prev(after) - spans.begin();
}

bool is_retrieval_point(std::span<const AnswerSpan> spans, int64_t position, int64_t window_start,
                        int64_t chunk) {
  if (position == window_start) return true;
  const int64_t at = span_at(spans, position);
  if (at >= 0) {
    const AnswerSpan& span = spans[static_cast<size_t>(at)];
    if (position < span.begin + chunk) return position == span.from;
  }
  return position % chunk == 0;
}

RetrievalQueries queries_at(std::span<const AnswerSpan> spans, int64_t position, int64_t chunk,
                            int64_t query_chunks) {
  RetrievalQueries queries;
  const int64_t at = span_at(spans, position);
  if (at >= 0) {
    const AnswerSpan& span = spans[static_cast<size_t>(at)];
    if (span.query_end > span.query_begin) {
      queries.span = at;
      queries.message_alone = position < span.begin + chunk;
    }
  }
  const int64_t done = position / chunk * chunk;
  queries.text = {.begin = std::max<int64_t>(0, done - query_chunks * chunk), .end = done};
  return queries;
}

}  // namespace memlong::engine
