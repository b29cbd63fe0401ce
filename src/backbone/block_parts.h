// The parts of a block that know nothing of positions. Internal to the backbone.
#pragma once

#include <span>

#include "backbone/block.h"
#include "backbone/weights.h"
#include "ops/attention.h"
#include "tensor/context.h"
#include "tensor/tensor.h"

namespace memlong::backbone {

/// n = rms_norm(x), and [keys | values] of it.
struct Projected {
  TensorView normed;  ///< [T, C]
  TensorView kv;      ///< [T, 2*G*D]
};

Projected project_keys_values(Context& context, const LlamaWeights& weights, int64_t layer,
                              const TensorView& x);

/// Columns of kv as heads: keys (part 0) or values (part 1), [T, G, D].
TensorView heads_of(const TensorView& kv, const model::ModelConfig& config, int part);

/// The queries of normed rows, before rope: [T, H, D].
TensorView project_queries(Context& context, const LlamaWeights& weights, int64_t layer,
                           const TensorView& normed);

/// Adds the attention that rows' rotated queries q [T, H, D] gave to each token of memory, `lse`
/// [T, H] as ops::attention wrote it.
void add_memory_mass(Context& context, MassProbe& probe, std::span<const ops::MemorySegment> memory,
                     const TensorView& q, const TensorView& lse, float scale);

/// x += down( swiglu( gate(n), up(n) ) ), n = rms_norm(x); x [T, C] f32.
void feed_forward(Context& context, const LlamaWeights& weights, int64_t layer,
                  const TensorView& x);

}  // namespace memlong::backbone
