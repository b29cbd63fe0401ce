// Zeros: x[...] = 0.
#pragma once

#include "tensor/context.h"
#include "tensor/tensor.h"

namespace memlong::ops {

/// x contiguous, of any dtype.
void zero(Context& context, const TensorView& x);

}  // namespace memlong::ops
