#include "train/stream_row.h"

#include <algorithm>
#include <cstdlib>
#include <functional>
#include <iterator>
#include <utility>

#include "common/error.h"
#include "ops/copy.h"
#include "retriever/best_score.h"
#include "retriever/neighbours.h"
#include "retriever/recency.h"
#include "train/sources.h"

namespace memlong::train {

using engine::EncodedChunk;

void StreamRow::begin(const DocumentPlace& place, const Document& document, int64_t from,
                      int64_t to) {
  MEMLONG_CHECK(from == 0 || !document.is_dialog(), "dialogs are read from their start");
  place_ = place;
  document_ = &document;
  from_ = from;
  to_ = to;
  window_ = 0;
  completed_ = 0;
  chunks_.clear();
}

int64_t StreamRow::window_end() const {
  return std::min(window_ + model_->window_capacity(), size());
}

std::vector<int32_t> StreamRow::window_ids() const {
  std::vector<int32_t> ids;
  if (lead_bos(*model_) >= 0) ids.push_back(lead_bos(*model_));
  ids.insert(ids.end(), document_->ids.begin() + from_ + window_,
             document_->ids.begin() + from_ + window_end());
  return ids;
}

std::vector<RetrievalPoint> StreamRow::points() const {
  const int64_t lead = lead_bos(*model_) >= 0 ? 1 : 0;
  std::vector<RetrievalPoint> points;
  for (int64_t position = window_; position < window_end(); ++position) {
    const int64_t row = lead + position - window_;
    if (engine::is_retrieval_point(document_->spans, position, window_, model_->settings.chunk)) {
      points.push_back(point_at(position));
      points.back().begin = points.size() == 1 ? 0 : row;
    }
    points.back().end = row + 1;
  }
  return points;
}

RetrievalPoint StreamRow::point_at(int64_t position) const {
  const model::MemorySettings& settings = model_->settings;
  RetrievalPoint point{.position = position, .queries = {}, .as_text = true};
  const auto add = [&](int64_t begin, int64_t end) {
    Query query = embed(begin, end);
    const bool any = std::ranges::any_of(query, [](float value) { return value != 0.0F; });
    if (any) point.queries.push_back(std::move(query));
  };
  const engine::RetrievalQueries asked =
      engine::queries_at(document_->spans, position, settings.chunk, settings.query_chunks);
  if (asked.span >= 0) {
    const engine::AnswerSpan& span = document_->spans[static_cast<size_t>(asked.span)];
    add(span.query_begin, span.query_end);
  }
  if (asked.message_alone && !point.queries.empty()) {
    point.as_text = false;
  } else if (!asked.text.empty()) {
    add(asked.text.begin, asked.text.end);
  }
  return point;
}

Query StreamRow::embed(int64_t begin, int64_t end) const {
  Query vector(static_cast<size_t>(embedder_->dim()), 0.0F);
  const std::span<const int32_t> ids(document_->ids.data() + from_ + begin,
                                     static_cast<size_t>(end - begin));
  embedder_->embed(ids, {}, vector);
  return vector;
}

/// Chunks at the front that lie wholly before the window.
int64_t StreamRow::searchable() const {
  const int64_t tau = model_->settings.chunk;
  const auto first = std::ranges::partition_point(
      chunks_, [&](const EncodedChunk& chunk) { return chunk.begin + tau <= window_; });
  return first - chunks_.begin();
}

std::vector<const EncodedChunk*> StreamRow::retrieve(const RetrievalPoint& point, int64_t count,
                                                     int64_t newest) const {
  const int64_t last = searchable();
  const int64_t begin = newest > 0 ? std::max<int64_t>(0, last - newest) : 0;
  const model::MemorySettings& settings = model_->settings;
  const int64_t recent = point.as_text ? settings.recent_chunks : 0;
  const retriever::Recency recency{static_cast<float>(point.as_text ? settings.recency : 0.0),
                                   window_, settings.chunk};
  const int64_t end = std::max(begin, last - recent);
  std::vector<std::pair<float, const EncodedChunk*>> found;
  for (int64_t i = begin; i < end; ++i) {
    const EncodedChunk& chunk = chunks_[static_cast<size_t>(i)];
    const float score = retriever::best_score(point.queries, chunk.vector);
    found.emplace_back(score - recency.loss(chunk.begin), &chunk);
  }
  std::stable_sort(found.begin(), found.end(),
                   [](const auto& a, const auto& b) { return a.first > b.first; });
  std::vector<const EncodedChunk*> best;
  best.reserve(found.size());
  for (const auto& [score, chunk] : found) best.push_back(chunk);
  const int64_t tau = settings.chunk;
  std::vector<const EncodedChunk*> chunks = retriever::with_neighbours(
      std::span<const EncodedChunk* const>(best), count, settings.neighbours,
      std::ranges::equal_to(), [&](const EncodedChunk* chunk) {
        std::vector<const EncodedChunk*> beside;
        std::ranges::copy_if(best, std::back_inserter(beside), [&](const EncodedChunk* other) {
          return std::abs(other->begin - chunk->begin) == tau;
        });
        std::ranges::sort(beside, {}, [](const EncodedChunk* other) { return other->begin; });
        return beside;
      });
  for (int64_t i = end; i < last; ++i) chunks.push_back(&chunks_[static_cast<size_t>(i)]);
  std::ranges::sort(chunks, {}, [](const EncodedChunk* chunk) { return chunk->begin; });
  return chunks;
}

void StreamRow::complete(Context& context, const WrittenMemory& written) {
  const int64_t tau = model_->settings.chunk;
  const int64_t lead = lead_bos(*model_) >= 0 ? 1 : 0;
  MEMLONG_CHECK(written.k.dim(1) == lead + window_end() - window_,
                "what was written is not of this window");
  context.activate();
  std::vector<ops::CopyPair> copies;
  for (; completed_ + tau <= window_end(); completed_ += tau) {
    const int64_t row = lead + completed_ - window_;
    MEMLONG_CHECK(row >= lead, "a chunk ends in a window that does not hold it");
    EncodedChunk chunk;
    chunk.begin = completed_;
    chunk.vector = embed(completed_, completed_ + tau);
    engine::round_as_stored(chunk.vector);
    const Shape shape{written.k.dim(0), tau, written.k.dim(2)};
    chunk.k = Tensor(shape, DType::bf16, context.device());
    chunk.v = Tensor(shape, DType::bf16, context.device());
    copies.push_back({written.k.view().slice(1, row, row + tau), chunk.k});
    copies.push_back({written.v.view().slice(1, row, row + tau), chunk.v});
    chunks_.push_back(std::move(chunk));
  }
  ops::copy(context, copies);
}

bool StreamRow::advance() {
  if (window_end() + 2 > size()) return false;  // a last token alone has nothing to predict
  window_ += model_->window_stride();
  for (int64_t count = searchable(); keep_ > 0 && count > keep_; --count) chunks_.pop_front();
  return true;
}

bool StreamRow::walk_to(int64_t window, Context& context, Network& network) {
  const int64_t tau = model_->settings.chunk;
  const int64_t first_kept = keep_ > 0 ? (window / tau - keep_) * tau : 0;
  while (window_ < window) {
    if (window_end() / tau * tau > first_kept) {
      complete(context, network.write(context, window_ids()));
    } else {
      completed_ = window_end() / tau * tau;
    }
    if (!advance()) return false;
  }
  return window_ == window;
}

}  // namespace memlong::train
