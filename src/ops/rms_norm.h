// Root-mean-square layer normalisation (arXiv 1910.07467).
//
//   out[t, c] = x[t, c] / sqrt(mean_c(x[t, c]^2) + eps) * weight[c]
#pragma once

#include "tensor/context.h"
#include "tensor/tensor.h"

namespace memlong::ops {

/// x [T, C] f32 or bf16, weight [C] f32, out [T, C] f32 or bf16 (rows contiguous, row strides
/// free). Mean and product in f32. out may be x when the dtypes agree.
void rms_norm(Context& context, const TensorView& x, const TensorView& weight, float eps,
              const TensorView& out);

}  // namespace memlong::ops
