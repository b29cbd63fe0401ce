// The two products of a few rows with a block of keys: scores, and weighted sums of values. Keys
// and values are read as they lie. For attention_thin.cpp only.
//
// bf16 goes by AVX-512's dot products of pairs where there are any: pairs of a key's elements for
// scores, pairs of keys for sums, for which weights are rounded to bf16 as in attention_bf16.cpp.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>

#include "ops/cpu/attention_thin.h"
#include "ops/cpu/bf16_pack.h"
#include "ops/cpu/transpose.h"
#include "ops/cpu/vec.h"

namespace memlong::ops::cpu {

/// Of R rows from `row` on with keys [begin, begin + count), not scaled. A row of scores has room
/// for kThinKeys; what lies behind `count` means nothing.
template <int R, class T>
void score_keys(const ThinQueries<T>& q, int64_t row, const KeyRows<T>& k, int64_t begin,
                int64_t count, float (*scores)[kThinKeys]) {
  for (int64_t first = 0; first < count; first += kLanes) {
    const std::array<Vec, R> sums = sums_of<R>([&](int64_t i) [[gnu::always_inline]] {
      // A missing key repeats the last one; its score is not used.
      const T* key = k.row(begin + std::min(first + i, count - 1));
      std::array<Vec, R> sum{};
      int64_t d = 0;
      for (; d + kLanes <= q.dim; d += kLanes) {
        const Vec part = load(key + d);
        for (int r = 0; r < R; ++r) sum[r] += part * load(q.data + (row + r) * q.stride + d);
      }
      if (d < q.dim) {
        const Vec part = load_part(key + d, q.dim - d);
        for (int r = 0; r < R; ++r) sum[r] += part * load(q.data + (row + r) * q.stride + d);
      }
      return sum;
    });
    for (int r = 0; r < R; ++r) store(scores[r] + first, sums[r]);
  }
}

/// C vectors of the head from d on; of its last one only `left` elements are there.
template <int R, int C, class T>
void add_values_at(const float (*weights)[kThinKeys], const KeyRows<T>& v, int64_t begin,
                   int64_t count, int64_t d, int64_t left, float (*sums)[kMaxHeadDim]) {
  Vec sum[R][C];
  for (int r = 0; r < R; ++r) {
    for (int c = 0; c < C; ++c) sum[r][c] = load(sums[r] + d + c * kLanes);
  }
  for (int64_t i = 0; i < count; ++i) {
    const T* value = v.row(begin + i) + d;
    Vec part[C];
    for (int c = 0; c < C; ++c) {
      part[c] = C == 1 ? load_part(value, left) : load(value + c * kLanes);
    }
    for (int r = 0; r < R; ++r) {
      for (int c = 0; c < C; ++c) sum[r][c] += weights[r][i] * part[c];
    }
  }
  for (int r = 0; r < R; ++r) {
    for (int c = 0; c < C; ++c) store(sums[r] + d + c * kLanes, sum[r][c]);
  }
}

/// sums[r] += weights[r, i] v[begin + i]. Weights behind `count` are zero to the next multiple of
/// kThinDim.
template <int R, class T>
void add_values(const float (*weights)[kThinKeys], const KeyRows<T>& v, int64_t begin,
                int64_t count, int64_t dim, float (*sums)[kMaxHeadDim]) {
  constexpr int kWide = kLanes == 16 ? 4 : 2;  // what registers have room for
  int64_t d = 0;
  for (; d + kWide * kLanes <= dim; d += kWide * kLanes) {
    add_values_at<R, kWide>(weights, v, begin, count, d, 0, sums);
  }
  for (; d < dim; d += kLanes) {
    add_values_at<R, 1>(weights, v, begin, count, d, dim - d, sums);
  }
}

#if defined(__AVX512BF16__) && defined(__AVX512BW__)

inline Vec add_pairs(Vec sum, VecWord a, VecWord b) {
  return bits_as<Vec>(
      _mm512_dpbf16_ps(bits_as<__m512>(sum), bits_as<__m512bh>(a), bits_as<__m512bh>(b)));
}

template <int R>
void score_keys(const ThinQueries<bf16>& q, int64_t row, const KeyRows<bf16>& k, int64_t begin,
                int64_t count, float (*scores)[kThinKeys]) {
  const bf16* queries = q.data + row * q.stride;
  for (int64_t first = 0; first < count; first += kLanes) {
    const std::array<Vec, R> sums = sums_of<R>([&](int64_t i) [[gnu::always_inline]] {
      const bf16* key = k.row(begin + std::min(first + i, count - 1));
      std::array<Vec, R> sum{};
      for (int64_t d = 0; d < q.dim; d += kThinDim) {
        const VecWord part = load_words(key + d, q.dim - d);
        for (int r = 0; r < R; ++r) {
          sum[r] = add_pairs(sum[r], part, load_words(queries + r * q.stride + d, kThinDim));
        }
      }
      return sum;
    });
    for (int r = 0; r < R; ++r) store(scores[r] + first, sums[r]);
  }
}

/// Elements 0 to 3 of each group of eight, then its elements 4 to 7: the order of paired rows,
/// and back.
inline void pair_order(Vec& low, Vec& high) {
  const Vec a = low;
  low = __builtin_shufflevector(a, high, 0, 1, 2, 3, 8, 9, 10, 11, 16, 17, 18, 19, 24, 25, 26, 27);
  high =
      __builtin_shufflevector(a, high, 4, 5, 6, 7, 12, 13, 14, 15, 20, 21, 22, 23, 28, 29, 30, 31);
}
inline void natural_order(Vec& low, Vec& high) {
  const Vec a = low;
  low = __builtin_shufflevector(a, high, 0, 1, 2, 3, 16, 17, 18, 19, 4, 5, 6, 7, 20, 21, 22, 23);
  high = __builtin_shufflevector(a, high, 8, 9, 10, 11, 24, 25, 26, 27, 12, 13, 14, 15, 28, 29, 30,
                                 31);
}

/// C times 32 elements of the head from d on; of the last only `left` are there.
template <int R, int C>
void add_pairs_at(const uint32_t (*weights)[kThinKeys / 2], const KeyRows<bf16>& v, int64_t begin,
                  int64_t count, int64_t d, int64_t left, float (*sums)[kMaxHeadDim]) {
  Vec low[R][C];
  Vec high[R][C];
  for (int r = 0; r < R; ++r) {
    for (int c = 0; c < C; ++c) {
      const float* at = sums[r] + d + c * kThinDim;
      low[r][c] = load(at);
      high[r][c] = load(at + kLanes);
      pair_order(low[r][c], high[r][c]);
    }
  }
  for (int64_t i = 0; i < count; i += 2) {
    const bf16* even = v.row(begin + i) + d;
    const bf16* odd = v.row(begin + std::min(i + 1, count - 1)) + d;  // the last one twice: by zero
    VecWord both[R];
    for (int r = 0; r < R; ++r) both[r] = VecWord{} + weights[r][i / 2];
    for (int c = 0; c < C; ++c) {
      const int64_t there = C == 1 ? left : kThinDim;
      const auto a = bits_as<__m512i>(load_words(even + c * kThinDim, there));
      const auto b = bits_as<__m512i>(load_words(odd + c * kThinDim, there));
      const auto first = bits_as<VecWord>(_mm512_unpacklo_epi16(a, b));
      const auto second = bits_as<VecWord>(_mm512_unpackhi_epi16(a, b));
      for (int r = 0; r < R; ++r) {
        low[r][c] = add_pairs(low[r][c], both[r], first);
        high[r][c] = add_pairs(high[r][c], both[r], second);
      }
    }
  }
  for (int r = 0; r < R; ++r) {
    for (int c = 0; c < C; ++c) {
      float* at = sums[r] + d + c * kThinDim;
      natural_order(low[r][c], high[r][c]);
      store(at, low[r][c]);
      store(at + kLanes, high[r][c]);
    }
  }
}

template <int R>
void add_values(const float (*weights)[kThinKeys], const KeyRows<bf16>& v, int64_t begin,
                int64_t count, int64_t dim, float (*sums)[kMaxHeadDim]) {
  uint32_t rounded[R][kThinKeys / 2];
  for (int r = 0; r < R; ++r) {
    for (int64_t i = 0; i < count; i += kThinDim) {
      const VecWord words = round_halves(load(weights[r] + i), load(weights[r] + i + kLanes));
      std::memcpy(&rounded[r][i / 2], &words, sizeof(words));
    }
  }
  int64_t d = 0;
  for (; d + 2 * kThinDim <= dim; d += 2 * kThinDim) {
    add_pairs_at<R, 2>(rounded, v, begin, count, d, 0, sums);
  }
  for (; d < dim; d += kThinDim) {
    add_pairs_at<R, 1>(rounded, v, begin, count, d, dim - d, sums);
  }
}

#endif

}  // namespace memlong::ops::cpu
