#include "backbone/writer.h"

#include <utility>
#include <vector>

#include "backbone/block_windows.h"
#include "common/error.h"
#include "ops/embedding.h"

namespace memlong::backbone {

Writer::Writer(std::shared_ptr<const LlamaWeights> weights, int64_t memory_layer)
    : weights_(std::move(weights)), memory_layer_(memory_layer) {}

void Writer::forward(Context& context, std::span<const int32_t> ids, KvCache& cache, int64_t offset,
                     const TensorView& x, const LayerObserver& observer) const {
  ops::embedding(context, weights_->table(), ids, x);
  if (observer) observer(0, x);
  for (int64_t layer = 0; layer < memory_layer_; ++layer) {
    block_forward(context, *weights_, cache, {.x = x, .layer = layer, .offset = offset});
    if (observer) observer(layer + 1, x);
  }
}

void Writer::forward_windows(Context& context, std::span<const int32_t> ids,
                             std::span<const int64_t> lengths, const TensorView& x) const {
  std::vector<ops::RopeRows> windows;
  int64_t end = 0;
  for (const int64_t length : lengths) {
    windows.push_back({.begin = end, .end = end + length, .start = 0});
    end += length;
  }
  MEMLONG_CHECK(end == static_cast<int64_t>(ids.size()), "windows of other lengths than their ids");
  ops::embedding(context, weights_->table(), ids, x);
  for (int64_t layer = 0; layer < memory_layer_; ++layer) {
    block_windows(context, *weights_, layer, windows, x);
  }
}

void Writer::forward(Context& context, const TensorView& id, KvCache& cache, int64_t offset,
                     const TensorView& position, const TensorView& x) const {
  ops::embedding_of_view(context, weights_->table(), id, x);
  for (int64_t layer = 0; layer < memory_layer_; ++layer) {
    block_forward(context, *weights_, cache,
                  {.x = x, .layer = layer, .offset = offset, .position = position});
  }
}

void Writer::forward_tokens(Context& context, std::span<const int32_t> ids,
                            std::span<const TokenPlace> tokens, const TensorView& x) const {
  ops::embedding(context, weights_->table(), ids, x);
  for (int64_t layer = 0; layer < memory_layer_; ++layer) {
    block_tokens(context, *weights_, {.x = x, .tokens = tokens, .layer = layer});
  }
}

void Writer::keys_values(Context& context, const TensorView& x, const TensorView& k,
                         const TensorView& v) const {
  block_keys_values(context, *weights_, memory_layer_, x, k, v);
}

}  // namespace memlong::backbone
