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

/// Gradients of rms_norm: with r[t] = 1 / sqrt(mean_c(x[t, c]^2) + eps) and n = x r,
///   dx[t, c] += r[t] (weight[c] dout[t, c] - n[t, c] mean_c(weight dout n))
///   dweight[c] += sum_t dout[t, c] n[t, c]
/// x as in the forward call; dout [T, C] f32 or bf16; dx [T, C] f32 and dweight [C] f32 are added
/// to; dweight may be empty. Sums over rows do not depend on the number of threads.
void rms_norm_backward(Context& context, const TensorView& x, const TensorView& weight, float eps,
                       const TensorView& dout, const TensorView& dx, const TensorView& dweight);

}  // namespace memlong::ops
