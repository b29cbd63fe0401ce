// Copies between strided views, converting the dtype: out[...] = x[...].
#pragma once

#include "tensor/context.h"
#include "tensor/tensor.h"

namespace memlong::ops {

/// Same shape; f32, bf16, f16 in any combination; last dimensions contiguous, other strides free;
/// no overlap. Rounds to nearest even.
void copy(Context& context, const TensorView& x, const TensorView& out);

/// A new contiguous tensor of `dtype` with x's elements; x may be unaligned (a mapped file).
Tensor convert(Context& context, const TensorView& x, DType dtype);

}  // namespace memlong::ops
