// The frozen part of the network that makes memory: embedding, layers 0..m-1, and the input norm, K
// and V projection of layer m.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>

#include "backbone/block.h"
#include "backbone/block_tokens.h"
#include "backbone/kv_cache.h"
#include "backbone/weights.h"
#include "tensor/context.h"

namespace memlong::backbone {

/// Called with the residual stream after the embedding (layer 0) and after each block (its index
/// + 1).
using LayerObserver = std::function<void(int64_t layer, const TensorView& x)>;

/// Immutable, thread-safe with a Context and a KvCache for each thread.
class Writer {
 public:
  Writer(std::shared_ptr<const LlamaWeights> weights, int64_t memory_layer);

  [[nodiscard]] int64_t memory_layer() const { return memory_layer_; }

  /// Reads T tokens at window positions `offset`.. through the embedding and layers 0..m-1; x [T,
  /// C] f32 becomes layer m's input. The cache needs layers 0..m-1.
  void forward(Context& context, std::span<const int32_t> ids, KvCache& cache, int64_t offset,
               const TensorView& x, const LayerObserver& observer = {}) const;

  /// The same for one token whose id and window position lie where the context computes, [1] i32
  /// each, and are read when the work is done; `offset` as in BlockCall::position.
  void forward(Context& context, const TensorView& id, KvCache& cache, int64_t offset,
               const TensorView& position, const TensorView& x) const;

  /// Reads whole windows at once, each from its position 0 and by itself: their ids one after the
  /// other, `lengths` of them. x [T, C] f32, T the sum of the lengths, becomes layer m's input. The
  /// same as forward() window by window up to rounding; for one window the same bits. No cache.
  void forward_windows(Context& context, std::span<const int32_t> ids,
                       std::span<const int64_t> lengths, const TensorView& x) const;

  /// Reads one token of each of N windows: ids [N], x [N, C] f32 becomes layer m's input. The same
  /// as forward() token by token up to rounding. Of the places only cache and position count.
  void forward_tokens(Context& context, std::span<const int32_t> ids,
                      std::span<const TokenPlace> tokens, const TensorView& x) const;

  /// Layer m's keys before rope, and values, of its input rows x [T, C]: [G, T, D], any float
  /// dtype.
  void keys_values(Context& context, const TensorView& x, const TensorView& k,
                   const TensorView& v) const;

 private:
  std::shared_ptr<const LlamaWeights> weights_;
  int64_t memory_layer_;
};

}  // namespace memlong::backbone
