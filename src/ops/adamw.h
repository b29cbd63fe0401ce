// AdamW (arXiv 1711.05101): Adam with decoupled weight decay and bias correction.
//
//   g = gradient_scale gradient;  m = b1 m + (1 - b1) g;  v = b2 v + (1 - b2) g^2
//   value -= lr (m / (1 - b1^step) / (sqrt(v / (1 - b2^step)) + eps) + weight_decay value)
#pragma once

#include <cstdint>
#include <span>

#include "tensor/context.h"
#include "tensor/tensor.h"

namespace memlong::ops {

struct AdamWOptions {
  float lr = 1e-3F;
  float beta1 = 0.9F;
  float beta2 = 0.95F;
  float eps = 1e-8F;
  float weight_decay = 0.0F;
  float gradient_scale = 1.0F;  ///< clipping and averaging in one factor
  int64_t step = 1;             ///< from 1
};

/// All contiguous f32 of one shape; value, m and v are written.
void adamw(Context& context, const TensorView& value, const TensorView& gradient,
           const TensorView& m, const TensorView& v, const AdamWOptions& options);

/// sum of x^2 in double, in an order that does not depend on the number of threads. x contiguous
/// f32.
double square_sum(Context& context, const TensorView& x);

/// The sum of square_sum() of each, in their order. On a GPU the host waits once for all of them.
double square_sum(Context& context, std::span<const TensorView> xs);

}  // namespace memlong::ops
