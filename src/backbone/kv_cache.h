// Rotated keys and values of the tokens of one window, for every layer.
#pragma once

#include <cstdint>
#include <vector>

#include "model/config.h"
#include "tensor/context.h"
#include "tensor/tensor.h"

namespace memlong::backbone {

/// Allocated once for a whole window; a new window writes over the old one. Not thread-safe.
class KvCache {
 public:
  KvCache() = default;
  /// In main memory.
  KvCache(const model::ModelConfig& config, int64_t layers, int64_t window, DType dtype)
      : KvCache(config, layers, window, dtype, Device::cpu) {}
  /// Where the context computes.
  KvCache(const Context& context, const model::ModelConfig& config, int64_t layers, int64_t window,
          DType dtype);
  [[nodiscard]] const TensorView& k(int64_t layer) const;  ///< [G, W, D]
  [[nodiscard]] const TensorView& v(int64_t layer) const;  ///< [G, W, D]
  [[nodiscard]] int64_t window() const { return window_; }
  [[nodiscard]] size_t bytes() const;

 private:
  KvCache(const model::ModelConfig& config, int64_t layers, int64_t window, DType dtype,
          Device device);

  int64_t window_ = 0;
  std::vector<Tensor> keys_;
  std::vector<Tensor> values_;
};

}  // namespace memlong::backbone
