// The chunks of one text, held in this process, as a stream's memory.
#pragma once

#include <cstdint>
#include <memory>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "engine/encoder.h"
#include "engine/gather.h"
#include "engine/stream.h"

namespace memlong::eval_tool {

struct TextEmbedder {
  std::shared_ptr<const retriever::Embedder> embedder;
  std::string source;  ///< its name; of `sif` also where its parameters are from
};

/// What a session with this model and an empty bank gets: nothing of the text that is scored.
TextEmbedder text_embedder(Context& context, const engine::LoadedModel& model);

/// Encodes all of `ids` (one document) through the writer. `progress` gets tokens done, and may
/// throw.
std::vector<engine::EncodedChunk> encode_text(
    Context& context, const std::shared_ptr<const engine::LoadedModel>& model,
    const std::shared_ptr<const retriever::Embedder>& embedder, std::span<const int32_t> ids,
    const std::function<void(int64_t tokens)>& progress = {});

enum class Choice : uint8_t {
  nearest,
  random,  ///< as many as are read otherwise
  all      ///< every chunk, whatever top_k says: dense attention to the whole past
};

/// Offers the chunks that begin at or after `from` and end at or before the window's start.
class TextMemory : public engine::SetSource {
 public:
  TextMemory(Context& context, std::shared_ptr<const engine::LoadedModel> model,
             const std::vector<engine::EncodedChunk>& chunks)
      : host_({.threads = context.threads()}),
        model_(std::move(model)),
        chunks_(chunks),
        gatherer_(context, {.kv_heads = model_->config.kv_heads,
                            .head_dim = model_->config.head_dim,
                            .dtype = model_->weights->dtype}) {}

  void limit(int64_t from) { from_ = from; }
  /// Chunks that hold tokens [begin, end) come first in every set (where they may be read at all).
  void hand_over(int64_t begin, int64_t end) {
    handed_begin_ = begin;
    handed_end_ = end;
  }
  void choose(Choice choice, uint64_t seed) {
    choice_ = choice;
    generator_.seed(seed);
  }

  std::shared_ptr<const engine::RetrievedSet> retrieve(const engine::SetRequest& request) override;
  void completed(engine::EncodedChunk&& /*chunk*/) override {}
  void dropped(int64_t /*begin*/) override {}
  std::vector<float> known_vector(int64_t begin) override;

 private:
  [[nodiscard]] std::vector<engine::RetrievedChunk> rank(const engine::SetRequest& request);
  [[nodiscard]] std::vector<engine::RetrievedChunk> choose(
      std::vector<engine::RetrievedChunk> ranked, const engine::SetRequest& request) const;

  Context host_;  ///< for copies within main memory
  std::shared_ptr<const engine::LoadedModel> model_;
  const std::vector<engine::EncodedChunk>& chunks_;
  int64_t from_ = 0;
  int64_t handed_begin_ = 0;
  int64_t handed_end_ = 0;
  Choice choice_ = Choice::nearest;
  std::mt19937_64 generator_;
  engine::SetGatherer gatherer_;
  std::shared_ptr<const engine::RetrievedSet> last_;  // large sets are not gathered twice
};

}  // namespace memlong::eval_tool
