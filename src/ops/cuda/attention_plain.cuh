// Products of tiles in f32 without tensor cores, by 256 threads as a square of 16 x 16: thread
// (y, x) has rows y, y + 16, ... and columns x, x + 16, ... of a product of rows with rows, and
// columns 4 x ... 4 x + 3 of a sum of weighted rows.
#pragma once

#include <type_traits>

#include "ops/cuda/attention_tile.h"

namespace memlong::ops::device {

inline constexpr int kSide = 16;
inline constexpr int kPlainThreads = kSide * kSide;
/// Rows go through shared memory in chunks of so many columns.
inline constexpr int kChunk = 64;
/// Eight neighbouring rows lie in different banks, four words of each; so do rows of kChunk n + 4.
inline constexpr int kChunkStride = kChunk + 4;

__device__ __forceinline__ int side_x() { return static_cast<int>(threadIdx.x) % kSide; }
__device__ __forceinline__ int side_y() { return static_cast<int>(threadIdx.x) / kSide; }

/// Columns [column, column + kChunk) of rows [first, first + count), as f32; zeros up to row kRows
/// and from column `dim` on. `wide`: four elements may be loaded at once.
template <int kRows, class T>
__device__ __forceinline__ void load_chunk(float* to, int stride, HeadRows<const T> rows, int group,
                                           int first, int count, int column, int dim, bool wide) {
  const int c = column + side_x() * 4;
#pragma unroll
  for (int r = side_y(); r < kRows; r += kSide) {
    float value[4] = {0.0F, 0.0F, 0.0F, 0.0F};
    if (r < count && c < dim) {
      const T* from = rows.row(group, first + r) + c;
      if (wide) {
        load_floats(from, value);
      } else {
#pragma unroll
        for (int i = 0; i < 4; ++i) value[i] = c + i < dim ? to_float(from[i]) : 0.0F;
      }
    }
    store_floats(to + r * stride + side_x() * 4, value);
  }
}

/// sums[i][j] += a[y + 16 i] . b[x + 16 j], over one chunk of both.
template <int kA, int kB>
__device__ __forceinline__ void add_products(const float* a, int a_stride, const float* b,
                                             int b_stride, float (&sums)[kA][kB]) {
  a += side_y() * a_stride;
  b += side_x() * b_stride;
#pragma unroll 1
  for (int d = 0; d < kChunk; d += 4) {
    float left[kA][4];
#pragma unroll
    for (int i = 0; i < kA; ++i) load_floats(a + i * kSide * a_stride + d, left[i]);
#pragma unroll
    for (int j = 0; j < kB; ++j) {
      float right[4];
      load_floats(b + j * kSide * b_stride + d, right);
#pragma unroll
      for (int i = 0; i < kA; ++i) {
#pragma unroll
        for (int e = 0; e < 4; ++e) sums[i][j] += left[i][e] * right[e];
      }
    }
  }
}

/// sums[i][c] += sum over k < kChunk of weights[y + 16 i][k] values[k][4 x + c], both with rows of
/// kChunkStride.
template <int kA>
__device__ __forceinline__ void add_weighted(const float* weights, const float* values,
                                             float (&sums)[kA][4]) {
  weights += side_y() * kChunkStride;
  values += side_x() * 4;
#pragma unroll 1
  for (int k = 0; k < kChunk; k += 4) {
    float weight[kA][4];
#pragma unroll
    for (int i = 0; i < kA; ++i) load_floats(weights + i * kSide * kChunkStride + k, weight[i]);
#pragma unroll
    for (int e = 0; e < 4; ++e) {
      float value[4];
      load_floats(values + (k + e) * kChunkStride, value);
#pragma unroll
      for (int i = 0; i < kA; ++i) {
#pragma unroll
        for (int c = 0; c < 4; ++c) sums[i][c] += weight[i][e] * value[c];
      }
    }
  }
}

/// fn(std::integral_constant<int, N>{}) with N chunks that hold `dim` columns, of those that
/// kernels are built for.
template <class Fn>
void dispatch_chunks(int dim, Fn&& fn) {
  if (dim <= kChunk) return fn(std::integral_constant<int, 1>{});
  if (dim <= 2 * kChunk) return fn(std::integral_constant<int, 2>{});
  fn(std::integral_constant<int, 4>{});
}

}  // namespace memlong::ops::device
