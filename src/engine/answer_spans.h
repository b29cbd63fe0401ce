// Where a dialog turns to its memory, and with which tokens as query (DESIGN section 3).
//
// At every chunk boundary the last chunks before it are the query, and what stood right before the
// window may be read besides. Before the assistant speaks the user's whole message is known, and
// nothing of it is predicted any more: it is the only query for its own tokens, so that the
// question is read in the light of what it finds, and for as many of the answer as a chunk has;
// until the user speaks again it stays a second query beside the last chunks.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "membank/types.h"

namespace memlong::engine {

/// Tokens [begin, end) of a stream.
struct TokenRange {
  int64_t begin = 0;
  int64_t end = 0;
  [[nodiscard]] bool empty() const { return begin >= end; }
};

/// An answer of the assistant, and the message that asked for it.
struct AnswerSpan {
  /// The first token that reads what the message finds: the message's own; `begin` where the
  /// message was answered before.
  int64_t from = 0;
  /// The answer's first token, its mark; where it has none, the token before it, whose logits give
  /// its first.
  int64_t begin = 0;
  int64_t end = -1;         ///< where the user speaks again; -1: not yet
  int64_t query_begin = 0;  ///< the user's whole message, its marks included
  int64_t query_end = 0;
  std::vector<float> query;  ///< its vector, once known
};

/// The answer spans that the turns of a dialog imply, in their order.
std::vector<AnswerSpan> answer_spans(const std::vector<membank::Turn>& turns);

/// An answer that begins at `begin`, to the message of tokens [query_begin, query_end), where
/// `spans` are those before it.
AnswerSpan next_span(std::span<const AnswerSpan> spans, int64_t begin, int64_t query_begin,
                     int64_t query_end);

/// The span whose message a token at `position` reads with; -1: none.
int64_t span_at(std::span<const AnswerSpan> spans, int64_t position);

/// Whether a new set is retrieved at `position`, in a window that begins at `window_start`.
bool is_retrieval_point(std::span<const AnswerSpan> spans, int64_t position, int64_t window_start,
                        int64_t chunk);

/// What is asked there.
struct RetrievalQueries {
  int64_t span = -1;           ///< the message of this span; -1: none
  bool message_alone = false;  ///< the text is asked with only where the message has no vector
  TokenRange text;             ///< the last whole chunks before `position`; may be empty
};
/// With at most `query_chunks` chunks of `chunk` tokens as text.
RetrievalQueries queries_at(std::span<const AnswerSpan> spans, int64_t position, int64_t chunk,
                            int64_t query_chunks);

}  // namespace memlong::engine
