// Multiplication by a number: out[...] = factor x[...].
#pragma once

#include "tensor/context.h"
#include "tensor/tensor.h"

namespace memlong::ops {

/// Both contiguous f32 of one shape; out may be x.
void scale(Context& context, const TensorView& x, float factor, const TensorView& out);

}  // namespace memlong::ops
