#include "backbone/kv_cache.h"

namespace memlong::backbone {

KvCache::KvCache(const Context& context, const model::ModelConfig& config, int64_t layers,
                 int64_t window, DType dtype)
    : KvCache(config, layers, window, dtype, (context.activate(), context.device())) {}

KvCache::KvCache(const model::ModelConfig& config, int64_t layers, int64_t window, DType dtype,
                 Device device)
    : window_(window) {
  const Shape shape{config.kv_heads, window, config.head_dim};
  for (int64_t layer = 0; layer < layers; ++layer) {
    keys_.push_back(Tensor::zeros(shape, dtype, device));
    values_.push_back(Tensor::zeros(shape, dtype, device));
  }
}

const TensorView& KvCache::k(int64_t layer) const {
  return keys_.at(static_cast<size_t>(layer)).view();
}

const TensorView& KvCache::v(int64_t layer) const {
  return values_.at(static_cast<size_t>(layer)).view();
}

size_t KvCache::bytes() const {
  size_t total = 0;
  for (size_t i = 0; i < keys_.size(); ++i) total += keys_[i].bytes() + values_[i].bytes();
  return total;
}

}  // namespace memlong::backbone
