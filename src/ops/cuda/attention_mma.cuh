// Tiles of bf16 rows in shared memory, and products of 16 of their rows by one warp.
#pragma once

#include "ops/cuda/attention_tile.h"
#include "ops/cuda/mma.cuh"

namespace memlong::ops::device {

inline constexpr int kMmaWarps = 4;
inline constexpr int kMmaThreads = kMmaWarps * kWarp;
inline constexpr int kMmaRows = 16;  // of a warp's tile

/// From one row of kDim elements in shared memory to the next: an odd multiple of 16 bytes.
template <int kDim>
inline constexpr int kMmaStride = kDim + 8;

/// load_rows() with kEach elements at a time.
template <int kDim, int kRows, int kEach>
__device__ __forceinline__ void load_rows_by(bf16* to, HeadRows<const bf16> rows, int group,
                                             int first, int count, int dim) {
  constexpr int kPieces = kDim / kEach;
  for (int i = static_cast<int>(threadIdx.x); i < kRows * kPieces; i += kMmaThreads) {
    const int r = i / kPieces;
    const int d = i % kPieces * kEach;
    const bool valid = r < count && d < dim;
    const bf16* from = valid ? rows.row(group, first + r) + d : rows.data;
    bf16* place = to + r * kMmaStride<kDim> + d;
    if constexpr (kEach == 8) {
      copy_async_16(place, from, valid);
    } else if constexpr (kEach == 4) {
      copy_async_8(place, from, valid);
    } else {
      place->bits = valid ? from->bits : uint16_t{0};
    }
  }
}

/// Begins to copy rows [first, first + count) to `to`; zeros up to row kRows and from column `dim`
/// on. They are there after copy_async_commit(), copy_async_wait() and a barrier.
template <int kDim, int kRows>
__device__ __forceinline__ void load_rows(bf16* to, HeadRows<const bf16> rows, int group, int first,
                                          int count, int dim, int width) {
  if (width == 8) {
    load_rows_by<kDim, kRows, 8>(to, rows, group, first, count, dim);
  } else if (width == 4) {
    load_rows_by<kDim, kRows, 4>(to, rows, group, first, count, dim);
  } else {
    load_rows_by<kDim, kRows, 1>(to, rows, group, first, count, dim);
  }
}

/// products[t][j] += a b^T for kTiles times 16 rows of a and the 8 kColumns rows of b, kDim deep,
/// both in shared memory. What is loaded of b serves all tiles. kUnrolled: of kDim / 16 rounds;
/// more take more registers.
template <int kDim, int kUnrolled = kDim / 16, int kTiles, int kColumns>
__device__ __forceinline__ void add_row_products(const bf16* a, const bf16* b,
                                                 FragmentC (&products)[kTiles][kColumns]) {
#pragma unroll kUnrolled
  for (int d = 0; d < kDim; d += 16) {
    FragmentA left[kTiles];
#pragma unroll
    for (int t = 0; t < kTiles; ++t) {
      left[t] = load_a(a + t * kMmaRows * kMmaStride<kDim> + d, kMmaStride<kDim>);
    }
#pragma unroll
    for (int j = 0; j < kColumns; j += 2) {
      FragmentB right[2];
      load_b_pair(b + j * 8 * kMmaStride<kDim> + d, kMmaStride<kDim>, right[0], right[1]);
#pragma unroll
      for (int t = 0; t < kTiles; ++t) {
        multiply_add(products[t][j], left[t], right[0]);
        multiply_add(products[t][j + 1], left[t], right[1]);
      }
    }
  }
}

/// sums[t][c] += weights values for kTiles times 16 rows of weights and 8 kDepth rows of values, of
/// which the columns are counted from `values` on.
template <int kDim, int kTiles, int kDepth, int kColumns>
__device__ __forceinline__ void add_weighted_rows(const FragmentC (&weights)[kTiles][kDepth],
                                                  const bf16* values,
                                                  FragmentC (&sums)[kTiles][kColumns]) {
#pragma unroll
  for (int k = 0; k < kDepth; k += 2) {
    FragmentA left[kTiles];
#pragma unroll
    for (int t = 0; t < kTiles; ++t) left[t] = as_operand(weights[t][k], weights[t][k + 1]);
#pragma unroll
    for (int c = 0; c < kColumns; c += 2) {
      FragmentB right[2];
      load_b_pair_transposed(values + k * 8 * kMmaStride<kDim> + c * 8, kMmaStride<kDim>, right[0],
                             right[1]);
#pragma unroll
      for (int t = 0; t < kTiles; ++t) {
        multiply_add(sums[t][c], left[t], right[0]);
        multiply_add(sums[t][c + 1], left[t], right[1]);
      }
    }
  }
}

/// Two neighbours of a row; `paired`: its pairs start on 4 bytes.
__device__ __forceinline__ void store_pair(bf16* to, float first, float second, bool paired) {
  if (paired) {
    store_word(to, pack_bf16(first, second));
  } else {
    to[0] = from_float<bf16>(first);
    to[1] = from_float<bf16>(second);
  }
}

/// fn(std::integral_constant<int, N>{}) with the least N that is not below `dim`, of those that
/// kernels are built for.
template <class Fn>
void dispatch_mma_dim(int dim, Fn&& fn) {
  if (dim <= 64) return fn(std::integral_constant<int, 64>{});
  if (dim <= 112) return fn(std::integral_constant<int, 112>{});
  if (dim <= 128) return fn(std::integral_constant<int, 128>{});
  fn(std::integral_constant<int, 256>{});
}

}  // namespace memlong::ops::device
