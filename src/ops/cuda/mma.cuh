// Products of small bf16 matrices on tensor cores (mma.m16n8k16, f32 sums), for one whole warp.
//
// Fragments are spread over the lanes as PTX defines (PTX ISA, "Matrix Fragments for
// mma.m16n8k16"). With group = lane / 4 and quad = lane % 4, a lane holds:
//   A (16 rows, 16 deep)    r[0]: row group,     depth 2 quad, +1    r[2]: row group,     depth 8 +
//   ...
//                           r[1]: row group + 8, depth 2 quad, +1    r[3]: row group + 8, depth 8 +
//                           ...
//   B (16 deep, 8 columns)  r[0]: depth 2 quad, +1, column group     r[1]: depth 8 + ..., column
//   group C (16 rows, 8 columns)  v[0], v[1]: row group,     columns 2 quad, +1
//                           v[2], v[3]: row group + 8, the same columns
#pragma once

#include "ops/cuda/device.cuh"

namespace memlong::ops::device {

struct FragmentA {
  uint32_t r[4];
};
struct FragmentB {
  uint32_t r[2];
};
struct FragmentC {
  float v[4] = {0.0F, 0.0F, 0.0F, 0.0F};

  /// Where v[i] of this lane lies.
  __device__ static int row(int i) { return lane_index() / 4 + (i / 2) * 8; }
  __device__ static int column(int i) { return lane_index() % 4 * 2 + i % 2; }
};

/// c += a b
__device__ __forceinline__ void multiply_add(FragmentC& c, const FragmentA& a, const FragmentB& b) {
  mma_m16n8k16(c.v, a.r, b.r);
}

// Operands from shared memory. `stride` counts elements from one row to the next; rows start on 16
// bytes, so it is a multiple of 8. Where stride * 2 is an odd multiple of 16 bytes, no two rows of
// a load lie in the same banks.

/// A[i, k] = at[i * stride + k]: 16 rows, 16 deep.
__device__ __forceinline__ FragmentA load_a(const bf16* at, int stride) {
  FragmentA a;
  const int lane = lane_index();
  load_matrices(a.r, at + (lane % 16) * stride + (lane / 16) * 8);
  return a;
}

/// A[i, k] = at[k * stride + i]: the transpose of 16 stored rows.
__device__ __forceinline__ FragmentA load_a_transposed(const bf16* at, int stride) {
  FragmentA a;
  const int lane = lane_index();
  const int depth = lane % 8 + (lane / 16) * 8;
  load_matrices_transposed(a.r, at + depth * stride + (lane / 8 % 2) * 8);
  return a;
}

/// Two fragments side by side (16 columns) of B[k, j] = at[j * stride + k]: the stored rows are B's
/// columns, as keys are in q . k.
__device__ __forceinline__ void load_b_pair(const bf16* at, int stride, FragmentB& left,
                                            FragmentB& right) {
  uint32_t words[4];
  const int lane = lane_index();
  load_matrices(words, at + (lane % 8 + (lane / 16) * 8) * stride + (lane / 8 % 2) * 8);
  left = {{words[0], words[1]}};
  right = {{words[2], words[3]}};
}

/// Two fragments side by side (16 columns) of B[k, j] = at[k * stride + j]: the stored rows are B's
/// rows, as values are in p . v.
__device__ __forceinline__ void load_b_pair_transposed(const bf16* at, int stride, FragmentB& left,
                                                       FragmentB& right) {
  uint32_t words[4];
  const int lane = lane_index();
  load_matrices_transposed(words, at + (lane % 16) * stride + (lane / 16) * 8);
  left = {{words[0], words[1]}};
  right = {{words[2], words[3]}};
}

/// Two results side by side (16 columns), rounded to bf16, as the left operand of the next product:
/// no exchange between lanes is needed.
__device__ __forceinline__ FragmentA as_operand(const FragmentC& left, const FragmentC& right) {
  return {{pack_bf16(left.v[0], left.v[1]), pack_bf16(left.v[2], left.v[3]),
           pack_bf16(right.v[0], right.v[1]), pack_bf16(right.v[2], right.v[3])}};
}

}  // namespace memlong::ops::device
