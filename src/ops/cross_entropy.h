// Softmax cross-entropy with its gradient in one pass over the logits.
//
//   loss[t]       = log sum_v exp(logits[t, v]) - logits[t, target[t]]
//   dlogits[t, v] = weight[t] (softmax(logits[t])[v] - [v == target[t]])
#pragma once

#include <cstdint>
#include <span>

#include "tensor/context.h"
#include "tensor/tensor.h"

namespace memlong::ops {

struct CrossEntropyArgs {
  TensorView logits;                 ///< [T, V] f32, rows contiguous
  std::span<const int32_t> targets;  ///< [T]; -1: none, loss 0 and no gradient
  std::span<const float> weights;    ///< [T], of the gradient only
  std::span<float> loss;             ///< [T], unweighted nats
  std::span<int32_t> argmax = {};    ///< [T], or empty: the likeliest id (lowest of equals)
  TensorView dlogits = {};           ///< [T, V] f32 or bf16, or empty; may be `logits` itself
};

/// Sums are f32 or wider. To never hold [T, V] for all rows, call it for blocks of rows.
void cross_entropy(Context& context, const CrossEntropyArgs& args);

}  // namespace memlong::ops
