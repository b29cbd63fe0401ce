// The gated activation of Llama's MLP (arXiv 2002.05202).
//
//   out[t, f] = silu(gate_up[t, f]) * gate_up[t, F + f],   silu(z) = z / (1 + exp(-z))
#pragma once

#include "tensor/context.h"
#include "tensor/tensor.h"

namespace memlong::ops {

/// gate_up [T, 2F] and out [T, F], f32 or bf16, the same; rows contiguous. Computed in f32.
void swiglu(Context& context, const TensorView& gate_up, const TensorView& out);

}  // namespace memlong::ops
