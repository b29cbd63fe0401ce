// The gated activation of Llama's MLP (arXiv 2002.05202).
//
//   out[t, f] = silu(gate_up[t, f]) * gate_up[t, F + f],   silu(z) = z / (1 + exp(-z))
#pragma once

#include "tensor/context.h"
#include "tensor/tensor.h"

namespace memlong::ops {

/// gate_up [T, 2F] and out [T, F], f32 or bf16, the same; rows contiguous. Computed in f32.
void swiglu(Context& context, const TensorView& gate_up, const TensorView& out);

/// Gradient: dgate_up [T, 2F] from gate_up and dout [T, F], all of one dtype; dgate_up may be
/// gate_up. With s = sigmoid(gate): dgate = dout up s (1 + gate (1 - s)), dup = dout silu(gate).
void swiglu_backward(Context& context, const TensorView& gate_up, const TensorView& dout,
                     const TensorView& dgate_up);

}  // namespace memlong::ops
