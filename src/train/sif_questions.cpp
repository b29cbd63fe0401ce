#include "train/sif_questions.h"

#include <algorithm>

#include "common/error.h"

namespace memlong::train {
namespace {

const engine::AnswerSpan* span_around(const Document& document, const ProbedAnswer& answer) {
  for (const engine::AnswerSpan& span : document.spans) {
    if (span.begin <= answer.begin && (span.end < 0 || answer.begin < span.end)) return &span;
  }
  return nullptr;
}

int64_t turn_end(const Document& document, int64_t turn) {
  const auto next = std::ranges::upper_bound(document.turns, turn);
  return next == document.turns.end() ? document.size() : *next;
}

}  // namespace

SifDialog sif_dialog(const Document& document, int64_t chunk, int64_t recent) {
  MEMLONG_CHECK(chunk > 0 && recent >= 0, "a chunk has tokens");
  SifDialog dialog;
  const std::span<const int32_t> ids(document.ids);
  for (int64_t at = 0; at < document.size(); at += chunk) {
    dialog.chunks.push_back(ids.subspan(
        static_cast<size_t>(at), static_cast<size_t>(std::min(chunk, document.size() - at))));
  }
  for (const ProbedAnswer& answer : document.answers) {
    if (answer.kind != AnswerKind::told || answer.fact < 0) continue;
    const engine::AnswerSpan* span = span_around(document, answer);
    const int64_t known = std::max<int64_t>(answer.end - recent, 0) / chunk;
    const int64_t last = (turn_end(document, answer.fact) - 1) / chunk;
    if (span == nullptr || last >= known) continue;
    dialog.questions.push_back(
        {.ids = ids.subspan(static_cast<size_t>(span->query_begin),
                            static_cast<size_t>(span->query_end - span->query_begin)),
         .known = known,
         .first = answer.fact / chunk,
         .last = last});
  }
  return dialog;
}

}  // namespace memlong::train
