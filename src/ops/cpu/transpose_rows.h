// Whole matrices transposed.
#pragma once

#include "tensor/context.h"
#include "tensor/tensor.h"

namespace memlong::ops::cpu {

/// out[n, t] = x[t, n]; f32 or bf16, rows contiguous, no overlap. What lies behind out's rows, up
/// to a multiple of 32 elements, may be overwritten.
void transpose_rows(const Context& context, const TensorView& x, const TensorView& out);

}  // namespace memlong::ops::cpu
