// One Llama block: attention and SwiGLU MLP, each behind an RMSNorm and with a residual.
//
//   x += o( attention( rope(q(n)), rope(k(n)), v(n) ) )   n = rms_norm(x)
//   x += down( swiglu( gate(n'), up(n') ) )               n' = rms_norm(x)
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "backbone/kv_cache.h"
#include "backbone/weights.h"
#include "ops/attention.h"
#include "tensor/context.h"

namespace memlong::backbone {

/// Adds up how much attention each memory token of each segment got, over layers, heads and rows.
struct MassProbe {
  std::vector<Tensor> mass;  ///< per segment: [M] f32
  int64_t rows = 0;          ///< query rows x heads x layers that were added up, per segment's rows
};

struct BlockCall {
  TensorView x;        ///< [T, C] f32, read and written
  int64_t layer = 0;   ///< index into the weights and the cache
  int64_t offset = 0;  ///< window position of row 0; the cache holds positions below it
  std::span<const ops::MemorySegment> memory = {};
  TensorView raw_k = {};       ///< [G, T, D], optional: keys before rope are copied here
  TensorView raw_v = {};       ///< [G, T, D], optional
  MassProbe* probe = nullptr;  ///< optional
  /// Optional, for T = 1: [1] i32 where the context computes, read when the work is done. It is the
  /// row's window position, `offset` what the work is cut for (ops::AttentionArgs::position);
  /// raw_k, raw_v are then [G, W, D] and get their row of that number.
  TensorView position = {};
};

/// Runs one block on T new tokens and puts their keys and values into the cache.
void block_forward(Context& context, const LlamaWeights& weights, KvCache& cache,
                   const BlockCall& call);

/// Keys and values of rows x [T, C] f32 (a block's input), before rope: raw_k, raw_v [G, T, D] of
/// any float dtype, strides free.
void block_keys_values(Context& context, const LlamaWeights& weights, int64_t layer,
                       const TensorView& x, const TensorView& raw_k, const TensorView& raw_v);

}  // namespace memlong::backbone
