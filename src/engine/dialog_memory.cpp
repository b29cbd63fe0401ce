#include "engine/dialog_memory.h"

#include <algorithm>
#include <functional>
#include <utility>

#include "common/error.h"
#include "ops/copy.h"
#include "retriever/best_score.h"
#include "retriever/neighbours.h"
#include "retriever/recency.h"

namespace memlong::engine {
namespace {

bool older(const RetrievedChunk& a, const RetrievedChunk& b) {
  if ((a.id == 0) != (b.id == 0)) return b.id == 0;  // what the bank lacks is the newest
  return a.id != b.id ? a.id < b.id : a.begin < b.begin;
}

RetrievedChunk stored_chunk(const membank::ChunkInfo& info, float score) {
  return {.id = info.id,
          .document = info.document,
          .begin = info.begin,
          .tokens = info.tokens,
          .score = score};
}

}  // namespace

DialogMemory::DialogMemory(Context& context, std::shared_ptr<const LoadedModel> model,
                           std::shared_ptr<Memory> memory, const ReadScope& scope,
                           int64_t cached_chunks)
    : host_({.threads = context.threads()}),
      model_(std::move(model)),
      memory_(std::move(memory)),
      scope_(scope),
      gatherer_(context,
                {.kv_heads = model_->config.kv_heads,
                 .head_dim = model_->config.head_dim,
                 .dtype = model_->weights->dtype},
                cached_chunks) {}

std::shared_ptr<const RetrievedSet> DialogMemory::retrieve(const SetRequest& request) {
  follow_bank();
  std::vector<RetrievedChunk> found = recent(request);
  const int64_t own_end = found.empty() ? request.window_start : found.back().begin;
  const std::vector<RetrievedChunk> others = nearest(request, own_end);
  found.insert(found.end(), others.begin(), others.end());
  std::sort(found.begin(), found.end(), older);

  // All is read from one state of the bank.
  const auto now = memory_ == nullptr ? nullptr : memory_->bank().snapshot();
  if (now != nullptr) drop_removed(*now);
  auto set = std::make_shared<RetrievedSet>(gatherer_.gather(
      std::move(found),
      [&](std::span<const ChunkPlace> places) { return read(now.get(), places); }));
  std::vector<membank::ChunkId> hits;
  for (const RetrievedChunk& chunk : set->chunks) {
    const bool is_recent = chunk.document == document_ && chunk.begin >= own_end;
    if (chunk.id != 0 && !is_recent) hits.push_back(chunk.id);  // that one was found
  }
  if (!hits.empty()) memory_->bank().count_hits(hits);
  return set;
}

void DialogMemory::follow_bank() {
  if (memory_ == nullptr) return;
  memory_->refresh();
  if (in_scope_ != nullptr && name_spaces_ == memory_->known_name_spaces()) return;
  in_scope_ = memory_->scope_filter(scope_);
  name_spaces_ = memory_->known_name_spaces();
}

std::vector<RetrievedChunk> DialogMemory::recent(const SetRequest& request) const {
  std::vector<RetrievedChunk> found;
  const auto most = static_cast<size_t>(request.as_text ? model_->settings.recent_chunks : 0);
  if (most == 0) return found;
  std::optional<RetrievedChunk> chunk;
  if (!pending_.empty()) {
    chunk = as_retrieved(pending_.back(), request.queries);
  } else if (memory_ != nullptr && document_ != 0) {
    chunk = as_retrieved(memory_->last_of(document_), request.queries);
  }
  while (chunk && found.size() < most) {
    const int64_t gap = request.window_start - chunk->begin - chunk->tokens;
    if (found.empty() && gap >= model_->settings.chunk) break;  // what was between is forgotten
    if (gap >= 0) found.push_back(*chunk);
    chunk = next_to(*chunk, -1, request.queries);
  }
  return found;
}

/// What is of other documents counts as what came right before the own one: it all loses the same.
std::vector<RetrievedChunk> DialogMemory::nearest(const SetRequest& request,
                                                  int64_t own_end) const {
  const model::MemorySettings& settings = model_->settings;
  const std::vector<std::vector<float>>& queries = request.queries;
  const retriever::Recency recency{static_cast<float>(request.as_text ? settings.recency : 0.0),
                                   request.window_start, settings.chunk};
  std::vector<RetrievedChunk> found =
      stored_candidates(queries, own_end, recency.per_doubling > 0.0F);
  add_pending_candidates(queries, own_end, found);
  std::ranges::stable_sort(found, std::greater(), [&](const RetrievedChunk& chunk) {
    return chunk.score - recency.loss(chunk.document == document_ ? chunk.begin : -settings.chunk);
  });
  return retriever::with_neighbours(
      std::span<const RetrievedChunk>(found), settings.top_k, settings.neighbours,
      [](const RetrievedChunk& a, const RetrievedChunk& b) {
        return a.id == b.id && (a.id != 0 || a.begin == b.begin);
      },
      [&](const RetrievedChunk& chunk) { return beside(queries, own_end, chunk); });
}

/// From the bank, or from what is not in it yet.
std::vector<bool> DialogMemory::read(const membank::Snapshot* now,
                                     std::span<const ChunkPlace> places) {
  std::vector<bool> there(places.size(), true);
  std::vector<membank::KvPlace> stored;
  std::vector<size_t> of;
  for (size_t i = 0; i < places.size(); ++i) {
    const auto& [chunk, k, v] = places[i];
    if (chunk->id != 0) {
      stored.push_back({.id = chunk->id, .k = k, .v = v});
      of.push_back(i);
    } else {
      const EncodedChunk* own = pending_at(chunk->begin);
      ops::copy(host_, own->k, k);
      ops::copy(host_, own->v, v);
    }
  }
  if (stored.empty()) return there;
  const std::vector<bool> in_bank = now->read_kv(stored, host_);
  for (size_t i = 0; i < of.size(); ++i) there[of[i]] = in_bank[i];
  return there;
}

/// Ids are never given twice, so that a chunk that is still there is the same chunk; in a bank that
/// went back in time nothing is known.
void DialogMemory::drop_removed(const membank::Snapshot& now) {
  const bool back = now.generation() < seen_;
  if (back || now.removal_generation() > seen_) {
    gatherer_.cache().erase_if(
        [&](const ChunkKey& key) { return key.id != 0 && (back || !now.chunk(key.id)); });
  }
  seen_ = now.generation();
}

std::vector<RetrievedChunk> DialogMemory::stored_candidates(
    std::span<const std::vector<float>> queries, int64_t own_end, bool all_own) const {
  std::vector<RetrievedChunk> found;
  if (memory_ == nullptr) return found;
  const auto filter = [&](const membank::ChunkInfo& info) {
    if (document_ == 0 || info.document != document_) return in_scope_(info);
    return !all_own && info.begin + info.tokens <= own_end;
  };
  for (const FoundChunk& hit : memory_->search(queries, model_->settings.top_k, filter)) {
    found.push_back(stored_chunk(hit.info, hit.score));
  }
  if (!all_own || document_ == 0) return found;
  for (const FoundChunk& own : memory_->chunks_of(queries, document_)) {
    if (own.info.begin + own.info.tokens > own_end) break;
    found.push_back(stored_chunk(own.info, own.score));
  }
  return found;
}

void DialogMemory::add_pending_candidates(std::span<const std::vector<float>> queries,
                                          int64_t own_end,
                                          std::vector<RetrievedChunk>& found) const {
  for (const EncodedChunk& chunk : pending_) {
    const auto tokens = static_cast<int64_t>(chunk.ids.size());
    if (chunk.begin + tokens > own_end) break;
    found.push_back(as_retrieved(chunk, queries));
  }
}

RetrievedChunk DialogMemory::as_retrieved(const EncodedChunk& chunk,
                                          std::span<const std::vector<float>> queries) const {
  return {.id = 0,
          .document = document_,
          .begin = chunk.begin,
          .tokens = static_cast<int64_t>(chunk.ids.size()),
          .score = retriever::best_score(queries, chunk.vector)};
}

std::optional<RetrievedChunk> DialogMemory::as_retrieved(
    const membank::ChunkInfo* stored, std::span<const std::vector<float>> queries) const {
  if (stored == nullptr) return std::nullopt;
  return stored_chunk(*stored, retriever::best_score(queries, memory_->vector(stored->id)));
}

std::vector<RetrievedChunk> DialogMemory::beside(std::span<const std::vector<float>> queries,
                                                 int64_t own_end,
                                                 const RetrievedChunk& chunk) const {
  std::vector<RetrievedChunk> found;
  const bool own = chunk.document == document_;
  for (const int step : {-1, 1}) {
    const std::optional<RetrievedChunk> next = next_to(chunk, step, queries);
    if (next && (!own || next->begin + next->tokens <= own_end)) found.push_back(*next);
  }
  return found;
}

std::optional<RetrievedChunk> DialogMemory::next_to(
    const RetrievedChunk& chunk, int step, std::span<const std::vector<float>> queries) const {
  const int64_t begin =
      step < 0 ? chunk.begin - model_->settings.chunk : chunk.begin + chunk.tokens;
  const bool own = chunk.document == document_;
  if (const EncodedChunk* pending = own ? pending_at(begin) : nullptr) {
    return as_retrieved(*pending, queries);
  }
  return as_retrieved(stored_beside(chunk, step), queries);
}

/// Of the bank. The first chunk that is not in it yet follows the dialog's last that is.
const membank::ChunkInfo* DialogMemory::stored_beside(const RetrievedChunk& chunk, int step) const {
  if (memory_ == nullptr) return nullptr;
  if (chunk.id != 0) return memory_->beside(chunk.id, step);
  if (step > 0 || document_ == 0) return nullptr;
  const membank::ChunkInfo* last = memory_->last_of(document_);
  return last != nullptr && last->begin + last->tokens == chunk.begin ? last : nullptr;
}

const EncodedChunk* DialogMemory::pending_at(int64_t begin) const {
  const auto found =
      std::lower_bound(pending_.begin(), pending_.end(), begin,
                       [](const EncodedChunk& chunk, int64_t key) { return chunk.begin < key; });
  return found != pending_.end() && found->begin == begin ? &*found : nullptr;
}

void DialogMemory::completed(EncodedChunk&& chunk) { pending_.push_back(std::move(chunk)); }

void DialogMemory::dropped(int64_t begin) {
  MEMLONG_CHECK(!pending_.empty() && pending_.back().begin == begin, "only what is not stored");
  pending_.pop_back();
  gatherer_.cache().erase({.id = 0, .begin = begin});
}

std::vector<float> DialogMemory::known_vector(int64_t begin) {
  if (const EncodedChunk* chunk = pending_at(begin)) return chunk->vector;
  if (memory_ == nullptr || document_ == 0) return {};
  for (const membank::ChunkInfo& info : memory_->chunks()) {
    if (info.document != document_ || info.begin != begin) continue;
    const std::span<const float> vector = memory_->vector(info.id);
    return {vector.begin(), vector.end()};
  }
  return {};
}

void DialogMemory::committed() {
  pending_.clear();
  gatherer_.cache().erase_if([](const ChunkKey& key) { return key.id == 0; });  // they have ids now
  memory_->refresh();
}

}  // namespace memlong::engine
