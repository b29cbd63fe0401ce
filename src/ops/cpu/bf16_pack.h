// Operands of bf16_gemm() out of rows of bf16. Extents are rounded up to squares, filled with
// zeros.
#pragma once

#include <cstdint>
#include <cstring>
#include <span>

#if defined(__AVX512BF16__) || defined(__AVX512BW__)
#include <immintrin.h>
#endif

#include "ops/cpu/attention_keys.h"
#include "ops/cpu/bf16_gemm.h"
#include "ops/cpu/vec.h"

namespace memlong::ops::cpu {

inline int64_t bf16_extent(int64_t count) { return round_up(count, kBf16Square); }

/// 2 kLanes elements; those past `count` are zero and not read.
inline VecWord load_words(const bf16* from, int64_t count) {
  VecWord words{};
  if (count >= 2 * kLanes) {
    std::memcpy(&words, from, sizeof(words));
  } else if (count > 0) {
#if defined(__AVX512BW__)
    words = bits_as<VecWord>(
        _mm512_maskz_loadu_epi16(static_cast<__mmask32>((1U << count) - 1U), from));
#else
    std::memcpy(&words, from, static_cast<size_t>(count) * sizeof(bf16));
#endif
  }
  return words;
}

/// Rounded to nearest even: the elements of `low`, then those of `high`.
inline VecWord round_halves(Vec low, Vec high) {
#if defined(__AVX512BF16__)
  return bits_as<VecWord>(_mm512_cvtne2ps_pbh(bits_as<__m512>(high), bits_as<__m512>(low)));
#else
  bf16 halves[2 * kLanes];
  store(halves, low);
  store(halves + kLanes, high);
  VecWord words;
  std::memcpy(&words, halves, sizeof(words));
  return words;
#endif
}

/// Element i and element kLanes + i become word i.
inline VecWord interleave(VecWord halves) {
  using Halves = uint16_t __attribute__((vector_size(4 * kLanes)));
  const auto all = bits_as<Halves>(halves);
  return [&]<int... L>(std::integer_sequence<int, L...>) {
    return bits_as<VecWord>(
        __builtin_shufflevector(all, all, (L % 2 == 0 ? L / 2 : kLanes + L / 2)...));
  }
  (std::make_integer_sequence<int, 2 * kLanes>());
}

/// Rows [begin, begin + count) as a left operand [count, dim]: in place where they fit, else copied
/// to `buffer`.
KeyRows<bf16> left_rows(const KeyRows<bf16>& rows, int64_t begin, int64_t count, int64_t dim,
                        bf16* buffer);

/// The same rows turned: to[d * stride + i] = row i's element d.
void turn_rows(const KeyRows<bf16>& rows, int64_t begin, int64_t count, int64_t dim, bf16* to,
               int64_t stride);

/// Rows as a right operand that is summed over them: word [i / 2, d] holds element d of rows i and
/// i + 1.
void pair_rows(std::span<const bf16* const> rows, int64_t dim, uint32_t* to, int64_t stride);

/// Rows as a right operand that is summed over their elements: word [d / 2, i] holds elements d and
/// d + 1 of row i.
void turn_pairs(std::span<const bf16* const> rows, int64_t dim, uint32_t* to, int64_t stride);

}  // namespace memlong::ops::cpu
