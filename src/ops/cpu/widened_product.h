// Products of bf16 matrices where oneDNN has none (processors before AVX-512): their elements are
// widened to f32, which is exact, a slice of the weights at a time, and multiplied as such.
#pragma once

#include "tensor/context.h"
#include "tensor/tensor.h"

namespace memlong::ops::cpu {

struct WidenedProduct {
  TensorView x;             ///< [T, K] bf16; rows contiguous, row stride free
  TensorView weight;        ///< [N, K] bf16, or [K, N] with `rows`; contiguous
  bool rows = false;        ///< weights lie by rows of K
  TensorView out;           ///< [T, N] f32 or bf16; rows contiguous, row stride free
  TensorView bias = {};     ///< [N] f32, or empty
  bool accumulate = false;  ///< added to out
};

/// out = x weights (+ bias) (+ out): sums in f32, out is rounded once.
void widened_product(Context& context, const WidenedProduct& args);

/// So many columns of weights with `depth` rows are widened at a time: about 2 MiB.
int64_t widened_columns(int64_t depth);

/// A slice of columns whose weights were widened.
struct WidenedSlice {
  TensorView x;       ///< [T, K] f32, contiguous
  TensorView weight;  ///< [K, n] f32, or [n, K] with rows = false; rows contiguous
  bool rows = true;   ///< weights lie by rows of K
  TensorView out;     ///< [T, n] f32 or bf16
  TensorView bias;    ///< [n] f32, or empty
  bool accumulate;    ///< added to out
};
void multiply_slice(Context& context, const WidenedSlice& slice);

}  // namespace memlong::ops::cpu
