// Small f32 products whose operands lie in cache: C[m, n] (+)= sum_k A(m, k) * B[k, n].
#pragma once

#include <cstdint>

#include "ops/cpu/vec.h"

namespace memlong::ops::cpu {

/// A(m, k) at data[m * row + k * depth]: plain or transposed.
struct Left {
  const float* data;
  int64_t row;
  int64_t depth;
};

namespace detail {

/// Sums of so many rows and vectors fit into the registers, beside what they are made of.
inline constexpr int kTileRows = kLanes == 16 ? 4 : 6;
inline constexpr int kTileVectors = kLanes == 16 ? 4 : 2;

/// R rows by V vectors, kept in registers over the whole depth.
template <int R, int V>
void tile(Left a, const float* b, int64_t ldb, int64_t depth, float* c, int64_t ldc,
          bool accumulate) {
  Vec sum[R][V];
  for (int r = 0; r < R; ++r) {
    for (int v = 0; v < V; ++v) {
      sum[r][v] = accumulate ? load(c + r * ldc + v * kLanes) : Vec{};
    }
  }
  for (int64_t k = 0; k < depth; ++k) {
    Vec right[V];
    for (int v = 0; v < V; ++v) right[v] = load(b + k * ldb + v * kLanes);
    for (int r = 0; r < R; ++r) {
      const float left = a.data[r * a.row + k * a.depth];
      for (int v = 0; v < V; ++v) sum[r][v] += left * right[v];
    }
  }
  for (int r = 0; r < R; ++r) {
    for (int v = 0; v < V; ++v) store(c + r * ldc + v * kLanes, sum[r][v]);
  }
}

template <int V>
void panel(Left a, const float* b, int64_t ldb, int64_t depth, float* c, int64_t ldc, int64_t rows,
           bool accumulate) {
  int64_t m = 0;
  const auto at = [&](int64_t row) { return Left{a.data + row * a.row, a.row, a.depth}; };
  for (; m + kTileRows <= rows; m += kTileRows) {
    tile<kTileRows, V>(at(m), b, ldb, depth, c + m * ldc, ldc, accumulate);
  }
  for (; m + 2 <= rows; m += 2) tile<2, V>(at(m), b, ldb, depth, c + m * ldc, ldc, accumulate);
  for (; m < rows; ++m) tile<1, V>(at(m), b, ldb, depth, c + m * ldc, ldc, accumulate);
}

}  // namespace detail

/// `columns` a multiple of kLanes.
inline void block_gemm(Left a, const float* b, int64_t ldb, int64_t depth, float* c, int64_t ldc,
                       int64_t rows, int64_t columns, bool accumulate) {
  int64_t n = 0;
  constexpr int kWide = detail::kTileVectors;
  for (; n + kWide * kLanes <= columns; n += kWide * kLanes) {
    detail::panel<kWide>(a, b + n, ldb, depth, c + n, ldc, rows, accumulate);
  }
  for (; n + 2 * kLanes <= columns; n += 2 * kLanes) {
    detail::panel<2>(a, b + n, ldb, depth, c + n, ldc, rows, accumulate);
  }
  for (; n < columns; n += kLanes) {
    detail::panel<1>(a, b + n, ldb, depth, c + n, ldc, rows, accumulate);
  }
}

}  // namespace memlong::ops::cpu
