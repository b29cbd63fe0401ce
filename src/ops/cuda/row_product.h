// A weight matrix and a single row, as a decoded token has them: as fast as weights can be read.
#pragma once

#include "tensor/context.h"
#include "tensor/tensor.h"

namespace memlong::ops {

/// out[0, n] = sum_k x[0, k] weight[n, k] (+ bias[n]) (+ out before the call), sums in f32.
struct RowProduct {
  TensorView x;       ///< [1, K] bf16
  TensorView weight;  ///< [N, K] bf16, rows one after the other
  TensorView out;     ///< [1, N] f32 or bf16
  TensorView bias;    ///< [N] f32, or empty
  bool accumulate = false;
};

/// Whether row_product() takes it: one row, bf16, K a multiple of 8, x and weights on 16 bytes.
bool is_row_product(const RowProduct& product);
/// Queued on the context's stream. The same bits in every run.
void row_product(Context& context, const RowProduct& product);

}  // namespace memlong::ops
