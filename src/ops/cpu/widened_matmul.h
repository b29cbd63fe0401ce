// Rows of bf16 times packed bf16 weights where oneDNN does not multiply them. Few rows read the
// packed weights as they lie, which is what decoding does; more of them are multiplied in f32.
#pragma once

#include <cstdint>

#include "ops/cpu/bf16_gemv.h"
#include "tensor/context.h"
#include "tensor/tensor.h"

namespace memlong::ops::cpu {

struct WidenedMatmul {
  TensorView x;  ///< [T, K] bf16; rows contiguous, row stride free
  const uint32_t* weights;
  TensorView out;           ///< [T, N] f32 or bf16; rows contiguous, row stride free
  TensorView bias = {};     ///< [N] f32, or empty
  bool accumulate = false;  ///< added to out
};

/// The width of blocks that it takes.
inline constexpr int64_t kWidenedBlock = 32;

/// out = x weights (+ bias) (+ out): sums in f32, out is rounded once. Up to kFewRows rows: a row's
/// bits are the same alone, beside others and on any number of threads.
inline constexpr int64_t kFewRows = 8;
void widened_matmul(Context& context, const Bf16Blocks& blocks, const WidenedMatmul& args);

}  // namespace memlong::ops::cpu
