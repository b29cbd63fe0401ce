#include "backbone/writer.h"

#include <utility>

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

void Writer::keys_values(Context& context, const TensorView& x, const TensorView& k,
                         const TensorView& v) const {
  block_keys_values(context, *weights_, memory_layer_, x, k, v);
}

}  // namespace memlong::backbone
