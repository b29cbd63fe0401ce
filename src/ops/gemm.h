// Plain matrix products of two activations (gradients of weights, Newton-Schulz iterations).
//
//   out[m, n] = sum_k A[m, k] B[k, n] (+ out[m, n] before the call)
//
// A is a [M, K], or its transpose where transpose_a (a is then [K, M]); B likewise.
#pragma once

#include "tensor/context.h"
#include "tensor/tensor.h"

namespace memlong::ops {

struct GemmOptions {
  bool transpose_a = false;
  bool transpose_b = false;
  bool accumulate = false;  ///< add to what `out` holds; `out` must then be f32
};

/// a and b both f32 or both bf16, out f32 or a's dtype; rows contiguous, row strides free; no
/// overlap. Sums in f32. An empty K leaves out as it is (accumulate) or zero.
/// The gradient of a linear layer's weight [N, K] is gemm(dout [T, N], x [T, K], dweight,
/// {.transpose_a = true, .accumulate = true}).
void gemm(Context& context, const TensorView& a, const TensorView& b, const TensorView& out,
          const GemmOptions& options = {});

}  // namespace memlong::ops
