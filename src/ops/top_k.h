// The k largest of a row, and the largest.
#pragma once

#include <cstdint>
#include <vector>

#include "tensor/context.h"
#include "tensor/tensor.h"

namespace memlong::ops {

struct Scored {
  int64_t index = 0;
  float value = 0.0F;
};

/// The min(k, N) largest of x [N] f32, largest first; equal values by lower index first; NaN counts
/// as smallest.
std::vector<Scored> top_k(Context& context, const TensorView& x, int64_t k);

/// Index of the largest of x [N] f32; the lowest of equals.
int64_t argmax(Context& context, const TensorView& x);

}  // namespace memlong::ops
