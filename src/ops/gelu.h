// The activation of BERT's MLP (arXiv 1606.08415), in its exact form.
//
//   out[t, f] = x / 2 (1 + erf(x / sqrt(2))),   x = x[t, f]
#pragma once

#include "tensor/context.h"
#include "tensor/tensor.h"

namespace memlong::ops {

/// x and out [T, F], f32 or bf16, the same; rows contiguous, row strides free. Computed in f32; on
/// the CPU erf is right to 5e-7. out may be x. Errors: internal, for shapes that do not fit.
void gelu(Context& context, const TensorView& x, const TensorView& out);

}  // namespace memlong::ops
