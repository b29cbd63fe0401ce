#include "train/batch_extent.h"

#include <algorithm>
#include <vector>

#include "engine/answer_spans.h"

namespace memlong::train {
namespace {

using model::MemorySettings;

/// The most chunks that one window of a text reads.
int64_t text_chunks(const MemorySettings& settings) {
  const int64_t segments = (settings.window + settings.chunk - 1) / settings.chunk + 1;
  return segments * settings.set_chunks();
}

/// The most chunks that one window of a dialog reads: an answered message has a set of its own.
int64_t dialog_chunks(const Document& document, const MemorySettings& settings) {
  const int64_t capacity = settings.window - (settings.window_bos ? 1 : 0);
  const auto chunks_at = [&](int64_t position) {
    const bool alone =
        engine::queries_at(document.spans, position, settings.chunk, settings.query_chunks)
            .message_alone;
    return alone ? settings.top_k : settings.set_chunks();
  };
  // What opens a set whatever the window, and the chunks up to there.
  std::vector<int64_t> places;
  for (int64_t at = 0; at < document.size(); at += settings.chunk) places.push_back(at);
  for (const engine::AnswerSpan& span : document.spans) places.push_back(span.from);
  std::ranges::sort(places);
  places.erase(std::unique(places.begin(), places.end()), places.end());
  std::erase_if(places, [&](int64_t at) {
    return !engine::is_retrieval_point(document.spans, at, -1, settings.chunk);
  });
  std::vector<int64_t> sums = {0};
  for (const int64_t at : places) sums.push_back(sums.back() + chunks_at(at));
  int64_t most = 0;
  for (int64_t begin = 0; begin < document.size(); begin += capacity - settings.overlap) {
    const auto first = std::ranges::upper_bound(places, begin) - places.begin();
    const auto last = std::ranges::lower_bound(places, begin + capacity) - places.begin();
    const int64_t inside = sums[static_cast<size_t>(last)] - sums[static_cast<size_t>(first)];
    most = std::max(most, chunks_at(begin) + inside);
  }
  return most;
}

int64_t window_chunks(const MemorySettings& settings, const Corpus& corpus) {
  int64_t most = 0;
  for (const CorpusEntry& entry : corpus.entries) {
    for (const Document& document : entry.documents) {
      most = std::max(
          most, document.is_dialog() ? dialog_chunks(document, settings) : text_chunks(settings));
    }
  }
  return most;
}

/// Of the longest walk through a document.
int64_t kept_tokens(const DataOptions& data, const MemorySettings& settings, const Corpus& corpus) {
  int64_t longest = 0;
  for (const CorpusEntry& entry : corpus.entries) {
    for (const Document& document : entry.documents) {
      const bool cut = data.stretch > 0 && !document.is_dialog();
      longest = std::max(longest, cut ? std::min(data.stretch, document.size()) : document.size());
    }
  }
  if (data.memory_chunks.smallest() < 0.5) return longest;
  const double chunks = data.memory_chunks.largest() * static_cast<double>(settings.chunk);
  return std::min(longest, static_cast<int64_t>(chunks) + settings.window);
}

}  // namespace

BatchExtent batch_extent(const DataOptions& data, const MemorySettings& settings,
                         const Corpus& corpus, int64_t walked) {
  const auto tokens = [&](const Schedule& length) {
    return std::min(settings.window, static_cast<int64_t>(length.largest()));
  };
  BatchExtent extent;
  if (data.form == ItemForm::streams) {
    int64_t kept = kept_tokens(data, settings, corpus);
    if (walked > 0) kept = std::min(kept, walked * settings.window);
    extent.rows = data.rows * settings.window;
    extent.memory = data.rows * window_chunks(settings, corpus) * settings.chunk;
    extent.kept = data.rows * kept;
    return extent;
  }
  extent.rows = data.rows * tokens(data.span);
  if (data.form == ItemForm::plain) return extent;
  extent.pasts = data.rows * tokens(data.past);
  const auto distractors = static_cast<int64_t>(data.distractors.largest());
  extent.memory = extent.pasts * (1 + distractors);
  return extent;
}

BatchExtent beside(const BatchExtent& training, const BatchExtent& evaluation) {
  return {.rows = std::max(training.rows, evaluation.rows),
          .pasts = std::max(training.pasts, evaluation.pasts),
          .memory = std::max(training.memory, evaluation.memory),
          .kept = training.kept + evaluation.kept};
}

}  // namespace memlong::train
