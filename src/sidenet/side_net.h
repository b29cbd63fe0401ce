// The upper part of the network: layers m..L-1, of which the reading layers attend to memory, the
// final norm and the head. Sees memory as tensors, never as a bank.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "backbone/block.h"
#include "backbone/block_tokens.h"
#include "backbone/kv_cache.h"
#include "backbone/weights.h"
#include "backbone/writer.h"
#include "tensor/context.h"

namespace memlong::sidenet {

struct SideNetCall {
  TensorView x;        ///< [T, C] f32: layer m's input; becomes the last layer's output
  int64_t offset = 0;  ///< window position of row 0
  /// What each segment of the rows reads (retrieval-causal attention, DESIGN section 3): the same K
  /// and V of layer m for every reading layer.
  std::span<const ops::MemorySegment> memory = {};
  TensorView raw_k = {};  ///< [G, T, D], optional: layer m's keys before rope
  TensorView raw_v = {};  ///< [G, T, D], optional
  backbone::MassProbe* probe = nullptr;
  const backbone::LayerObserver* observer = nullptr;
  TensorView position = {};  ///< [1] i32, optional: as BlockCall::position, raw_k and raw_v too
};

/// Immutable, thread-safe with a Context and a KvCache for each thread.
class SideNet {
 public:
  SideNet(std::shared_ptr<const backbone::LlamaWeights> weights, int64_t memory_layer,
          const std::vector<int64_t>& reading_layers);

  /// The cache needs all layers.
  void forward(Context& context, backbone::KvCache& cache, const SideNetCall& call) const;

  /// One token of each of N windows: x [N, C] f32, layer m's input, becomes the last layer's
  /// output. The same as forward() token by token up to rounding.
  void forward_tokens(Context& context, std::span<const backbone::TokenPlace> tokens,
                      const TensorView& x) const;

  /// logits [T, V] f32 of rows x [T, C] f32 (the last layer's output): final norm, then the head.
  void logits(Context& context, const TensorView& x, const TensorView& logits) const;

  [[nodiscard]] int64_t reading_layer_count() const;

 private:
  std::shared_ptr<const backbone::LlamaWeights> weights_;
  int64_t memory_layer_;
  std::vector<bool> reads_;  ///< by layer
};

}  // namespace memlong::sidenet
