// Layer normalisation (arXiv 1607.06450), of a sum where that is wanted.
//
//   z = x + add,   out[t, c] = (z[t, c] - m[t]) / sqrt(v[t] + eps) * weight[c] + bias[c]
//   m[t] = mean_c z[t, c],   v[t] = mean_c (z[t, c] - m[t])^2
#pragma once

#include "tensor/context.h"
#include "tensor/tensor.h"

namespace memlong::ops {

struct LayerNormArgs {
  TensorView x;         ///< [T, C] f32 or bf16
  TensorView add = {};  ///< [T, C] f32, or empty
  TensorView weight;    ///< [C] f32
  TensorView bias;      ///< [C] f32
  float eps = 1e-12F;
  TensorView out;  ///< [T, C] f32 or bf16; may be x when the dtypes agree
};

/// Rows are contiguous, row strides free. Computed in f32. Errors: internal, for shapes that do not
/// fit.
void layer_norm(Context& context, const LayerNormArgs& args);

}  // namespace memlong::ops
