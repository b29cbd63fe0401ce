// Rows of elements from one type to another. The source may have any alignment.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>
#if defined(__F16C__)
#include <immintrin.h>
#endif

#include "tensor/dtype.h"

namespace memlong::ops::cpu {

/// f32 to bf16 without a branch, so that loops vectorise; NaN stays NaN.
inline uint16_t bf16_bits(float value) {
  const auto word = std::bit_cast<uint32_t>(value);
  const uint32_t rounded = (word + 0x7FFFU + ((word >> 16) & 1U)) >> 16;
  const uint32_t quiet = (word >> 16) | 0x40U;
  return static_cast<uint16_t>((word & 0x7FFFFFFFU) > 0x7F800000U ? quiet : rounded);
}

inline float to_float(float value) { return value; }
inline float to_float(bf16 value) { return static_cast<float>(value); }
inline void store_float(float* to, float value) { *to = value; }
inline void store_float(bf16* to, float value) { to->bits = bf16_bits(value); }

template <class Src>
void row_to_f32(const void* from, float* to, int64_t count) {
  const auto* bytes = static_cast<const std::byte*>(from);
  if constexpr (std::is_same_v<Src, float>) {
    std::memcpy(to, bytes, static_cast<size_t>(count) * sizeof(float));
  } else if constexpr (std::is_same_v<Src, bf16>) {
#pragma omp simd
    for (int64_t i = 0; i < count; ++i) {
      uint16_t bits = 0;
      std::memcpy(&bits, bytes + 2 * i, 2);
      to[i] = std::bit_cast<float>(static_cast<uint32_t>(bits) << 16);
    }
  } else {
    int64_t i = 0;
#if defined(__F16C__)
    for (; i + 8 <= count; i += 8) {
      const __m128i half = _mm_loadu_si128(reinterpret_cast<const __m128i*>(bytes + 2 * i));
      _mm256_storeu_ps(to + i, _mm256_cvtph_ps(half));
    }
#endif
    for (; i < count; ++i) {
      f16 half;
      std::memcpy(&half.bits, bytes + 2 * i, 2);
      to[i] = static_cast<float>(half);
    }
  }
}

template <class Dst>
void row_from_f32(const float* from, Dst* to, int64_t count) {
  if constexpr (std::is_same_v<Dst, float>) {
    std::memcpy(to, from, static_cast<size_t>(count) * sizeof(float));
  } else if constexpr (std::is_same_v<Dst, bf16>) {
#pragma omp simd
    for (int64_t i = 0; i < count; ++i) to[i].bits = bf16_bits(from[i]);
  } else {
    for (int64_t i = 0; i < count; ++i) to[i] = f16(from[i]);
  }
}

template <class Src, class Dst>
void convert_row(const void* from, Dst* to, int64_t count) {
  if constexpr (std::is_same_v<Src, Dst>) {
    std::memcpy(to, from, static_cast<size_t>(count) * sizeof(Src));
  } else if constexpr (std::is_same_v<Dst, float>) {
    row_to_f32<Src>(from, to, count);
  } else {
    constexpr int64_t kPiece = 256;
    float piece[kPiece];
    const auto* bytes = static_cast<const std::byte*>(from);
    for (int64_t i = 0; i < count; i += kPiece) {
      const int64_t length = count - i < kPiece ? count - i : kPiece;
      row_to_f32<Src>(bytes + i * static_cast<int64_t>(sizeof(Src)), piece, length);
      row_from_f32<Dst>(piece, to + i, length);
    }
  }
}

}  // namespace memlong::ops::cpu
