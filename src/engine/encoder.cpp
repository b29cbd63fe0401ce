#include "engine/encoder.h"

#include <algorithm>
#include <utility>

#include "common/error.h"
#include "engine/main_memory.h"
#include "ops/copy.h"

namespace memlong::engine {

Encoder::Encoder(Context& context, std::shared_ptr<const LoadedModel> model,
                 std::shared_ptr<const retriever::Embedder> embedder, DType kv_dtype, Sink sink)
    : context_(context),
      model_(std::move(model)),
      embedder_(std::move(embedder)),
      kv_dtype_(kv_dtype),
      sink_(std::move(sink)),
      cache_(context, model_->config, model_->settings.memory_layer, model_->settings.window,
             model_->weights->dtype) {}

void Encoder::begin(int64_t done) {
  buffer_.clear();
  window_start_ = 0;
  total_ = 0;
  emitted_ = done;
}

void Encoder::push(std::span<const int32_t> ids) {
  const auto capacity = static_cast<size_t>(model_->window_capacity());
  while (!ids.empty()) {
    // A window runs only when a token beyond it has come, so that the last one knows it is the
    // last.
    if (buffer_.size() == capacity) {
      run_window(model_->window_capacity(), false);
      buffer_.erase(buffer_.begin(), buffer_.begin() + model_->window_stride());
      window_start_ += model_->window_stride();
    }
    const size_t count = std::min(ids.size(), capacity - buffer_.size());
    buffer_.insert(buffer_.end(), ids.begin(), ids.begin() + static_cast<std::ptrdiff_t>(count));
    ids = ids.subspan(count);
    total_ += static_cast<int64_t>(count);
  }
}

int64_t Encoder::finish(bool keep_tail) {
  if (!buffer_.empty()) run_window(static_cast<int64_t>(buffer_.size()), !keep_tail);
  buffer_.clear();
  return total_;
}

void Encoder::run_window(int64_t count, bool last) {
  const int64_t tau = model_->settings.chunk;
  const int64_t end = window_start_ + count;
  if (emitted_ >= end || (!last && emitted_ + tau > end)) return;
  const int64_t lead = model_->settings.window_bos ? 1 : 0;
  std::vector<int32_t> ids;
  if (lead > 0) ids.push_back(model_->config.bos);
  ids.insert(ids.end(), buffer_.begin(), buffer_.begin() + count);
  const TensorView x =
      context_.scratch("encoder.x", {lead + count, model_->config.hidden}, DType::f32);
  model_->writer->forward(context_, ids, cache_, 0, x);
  computed_ += count;
  const TensorView hidden = x.slice(0, lead, lead + count);
  while (emitted_ + tau <= end) emit(emitted_, emitted_ + tau, hidden);
  if (last && emitted_ < end) emit(emitted_, end, hidden);
}

void Encoder::emit(int64_t begin, int64_t end, const TensorView& hidden) {
  MEMLONG_CHECK(begin >= window_start_, "a chunk ends in a window that does not hold it");
  const int64_t count = end - begin;
  const TensorView rows = hidden.slice(0, begin - window_start_, end - window_start_);
  EncodedChunk chunk;
  chunk.begin = begin;
  const auto first = buffer_.begin() + (begin - window_start_);
  chunk.ids.assign(first, first + count);
  chunk.vector.resize(static_cast<size_t>(embedder_->dim()));
  Tensor kept;
  embedder_->embed(chunk.ids,
                   embedder_->needs_hidden() ? in_main_memory(context_, rows, kept) : TensorView(),
                   chunk.vector);
  round_as_stored(chunk.vector);
  chunk.k = Tensor({model_->config.kv_heads, count, model_->config.head_dim}, kv_dtype_);
  chunk.v = Tensor(chunk.k.shape(), kv_dtype_);
  model_->writer->keys_values(context_, rows, chunk.k, chunk.v);
  emitted_ = end;
  sink_(std::move(chunk));
}

}  // namespace memlong::engine
