#include "tools/memlong-eval/text_memory.h"

#include <algorithm>
#include <functional>
#include <iterator>
#include <utility>

#include "ops/copy.h"
#include "retriever/best_score.h"
#include "retriever/neighbours.h"
#include "retriever/recency.h"

namespace memlong::eval_tool {

TextEmbedder text_embedder(Context& context, const engine::LoadedModel& model) {
  auto embedder = engine::make_embedder(context, model);
  if (embedder == nullptr) {
    embedder = engine::make_embedder(context, model, engine::make_sif_blob(model, {}));
    return {.embedder = std::move(embedder), .source = "sif (tokenizer)"};
  }
  const std::string name = embedder->name();
  return {.embedder = std::move(embedder),
          .source = name == "sif" ? "sif (sif.safetensors)" : name};
}

std::vector<engine::EncodedChunk> encode_text(
    Context& context, const std::shared_ptr<const engine::LoadedModel>& model,
    const std::shared_ptr<const retriever::Embedder>& embedder, std::span<const int32_t> ids,
    const std::function<void(int64_t tokens)>& progress) {
  std::vector<engine::EncodedChunk> chunks;
  engine::Encoder encoder(context, model, embedder, DType::bf16, [&](engine::EncodedChunk&& chunk) {
    if (progress) progress(chunk.begin + static_cast<int64_t>(chunk.ids.size()));
    chunks.push_back(std::move(chunk));
  });
  encoder.begin();
  encoder.push(ids);
  encoder.finish();
  return chunks;
}

std::vector<engine::RetrievedChunk> TextMemory::rank(const engine::SetRequest& request) {
  const model::MemorySettings& settings = model_->settings;
  const retriever::Recency recency{static_cast<float>(request.as_text ? settings.recency : 0.0),
                                   request.window_start, settings.chunk};
  const auto rank_of = [&](const engine::RetrievedChunk& chunk) {
    return chunk.score - recency.loss(chunk.begin);
  };
  std::vector<engine::RetrievedChunk> found;
  for (const engine::EncodedChunk& chunk : chunks_) {
    const auto tokens = static_cast<int64_t>(chunk.ids.size());
    if (chunk.begin < from_) continue;
    if (chunk.begin + tokens > request.window_start) break;
    const bool scored = choice_ == Choice::nearest;
    const float score = scored ? retriever::best_score(request.queries, chunk.vector) : 0.0F;
    found.push_back(
        {.id = 0, .document = 0, .begin = chunk.begin, .tokens = tokens, .score = score});
  }
  if (choice_ == Choice::random) {
    std::shuffle(found.begin(), found.end(), generator_);
  } else if (choice_ == Choice::nearest) {
    std::ranges::stable_sort(found, std::greater(), rank_of);
  }
  return found;
}

/// What was ranked becomes a set: what is handed over, what stood right before the window, then the
/// best with the chunks beside them.
std::vector<engine::RetrievedChunk> TextMemory::choose(std::vector<engine::RetrievedChunk> ranked,
                                                       const engine::SetRequest& request) const {
  if (choice_ == Choice::all) return ranked;
  const auto unhanded = std::stable_partition(
      ranked.begin(), ranked.end(), [this](const engine::RetrievedChunk& chunk) {
        return chunk.begin < handed_end_ && chunk.begin + chunk.tokens > handed_begin_;
      });
  std::vector<engine::RetrievedChunk> chosen(ranked.begin(), unhanded);
  const model::MemorySettings& settings = model_->settings;
  const bool nearest = choice_ == Choice::nearest;
  const int64_t recent = request.as_text ? settings.recent_chunks : 0;
  const int64_t most = settings.top_k + (nearest ? 0 : recent);
  if (static_cast<int64_t>(chosen.size()) > most) chosen.resize(static_cast<size_t>(most));
  const int64_t left = most - static_cast<int64_t>(chosen.size());
  const int64_t tau = settings.chunk;
  const int64_t recent_begin = (request.window_start / tau - recent) * tau;
  const auto rest = std::stable_partition(
      unhanded, ranked.end(),
      [&](const engine::RetrievedChunk& chunk) { return nearest && chunk.begin >= recent_begin; });
  chosen.insert(chosen.end(), unhanded, rest);
  const auto others = retriever::with_neighbours(
      std::span<const engine::RetrievedChunk>(rest, ranked.end()), left,
      nearest ? settings.neighbours : 0,
      [](const auto& a, const auto& b) { return a.begin == b.begin; },
      [&](const engine::RetrievedChunk& chunk) {
        std::vector<engine::RetrievedChunk> beside;
        std::copy_if(rest, ranked.end(), std::back_inserter(beside), [&](const auto& other) {
          return other.begin == chunk.begin - tau || other.begin == chunk.begin + tau;
        });
        std::ranges::sort(beside, {}, &engine::RetrievedChunk::begin);
        return beside;
      });
  chosen.insert(chosen.end(), others.begin(), others.end());
  return chosen;
}

std::shared_ptr<const engine::RetrievedSet> TextMemory::retrieve(
    const engine::SetRequest& request) {
  std::vector<engine::RetrievedChunk> found = choose(rank(request), request);
  std::sort(found.begin(), found.end(),
            [](const auto& a, const auto& b) { return a.begin < b.begin; });
  const auto same = [](const auto& a, const auto& b) { return a.begin == b.begin; };
  if (last_ != nullptr &&
      std::equal(found.begin(), found.end(), last_->chunks.begin(), last_->chunks.end(), same)) {
    return last_;
  }
  const int64_t tau = model_->settings.chunk;
  last_ = std::make_shared<engine::RetrievedSet>(
      gatherer_.gather(std::move(found), [&](std::span<const engine::ChunkPlace> places) {
        for (const auto& [chunk, k, v] : places) {
          const engine::EncodedChunk& from = chunks_[static_cast<size_t>(chunk->begin / tau)];
          ops::copy(host_, from.k, k);
          ops::copy(host_, from.v, v);
        }
        return std::vector<bool>(places.size(), true);
      }));
  return last_;
}

std::vector<float> TextMemory::known_vector(int64_t begin) {
  const auto index = static_cast<size_t>(begin / model_->settings.chunk);
  return index < chunks_.size() ? chunks_[index].vector : std::vector<float>();
}

}  // namespace memlong::eval_tool
