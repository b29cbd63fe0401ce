// Muon (K. Jordan and others, 2024; scaling as in Moonlight, arXiv 2502.16982): momentum whose
// update is made orthogonal by five Newton-Schulz steps.
//
//   u = momentum u + g;  d = nesterov: g + momentum u, else u
//   X = d / |d|;  X <- a X + (b A + c A A) X with A = X X^T   (a, b, c = 3.4445, -4.7750, 2.0315)
//   value -= lr (0.2 sqrt(max(N, K)) X + weight_decay value)
#pragma once

#include "tensor/context.h"
#include "tensor/tensor.h"

namespace memlong::ops {

struct MuonOptions {
  float lr = 1e-3F;  ///< on AdamW's scale, thanks to the factor 0.2 sqrt(max(N, K))
  float momentum = 0.95F;
  bool nesterov = true;
  int steps = 5;
  float weight_decay = 0.0F;
  float gradient_scale = 1.0F;
};

/// value, gradient and u: contiguous f32 [N, K]; value and u are written. The products run in bf16,
/// as published.
void muon(Context& context, const TensorView& value, const TensorView& gradient,
          const TensorView& u, const MuonOptions& options);

}  // namespace memlong::ops
