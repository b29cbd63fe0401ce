// Whole matrices transposed.
#pragma once

#include "tensor/context.h"
#include "tensor/tensor.h"

namespace memlong::ops::cpu {

/// out[n, t] = x[t, n]; f32 or bf16, rows contiguous, row strides free, no overlap.
void transpose_rows(const Context& context, const TensorView& x, const TensorView& out);

}  // namespace memlong::ops::cpu
