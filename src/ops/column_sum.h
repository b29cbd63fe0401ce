// Sums over rows: the gradient of a bias.
#pragma once

#include "tensor/context.h"
#include "tensor/tensor.h"

namespace memlong::ops {

/// out[n] += sum_t x[t, n]; x [T, N] f32 or bf16 (rows contiguous), out [N] f32. The order of the
/// sum does not depend on the number of threads.
void column_sum(Context& context, const TensorView& x, const TensorView& out);

}  // namespace memlong::ops
