// As many floats at a time as a register has, in the compiler's vector extension: sixteen with
// AVX-512, eight with AVX, else four. (Of vectors wider than its registers the compiler makes code
// that goes through memory, some ten times slower.)
#pragma once

#include <cstdint>
#include <cstring>
#include <utility>
#if defined(__AVX512BW__)
#include <immintrin.h>
#endif

#include "tensor/dtype.h"

namespace memlong::ops::cpu {

#if defined(__AVX512F__)
inline constexpr int64_t kLanes = 16;
#elif defined(__AVX__)
inline constexpr int64_t kLanes = 8;
#else
inline constexpr int64_t kLanes = 4;
#endif
using Vec = float __attribute__((vector_size(4 * kLanes)));
using VecInt = int32_t __attribute__((vector_size(4 * kLanes)));
using VecWord = uint32_t __attribute__((vector_size(4 * kLanes)));
using VecHalf = uint16_t __attribute__((vector_size(2 * kLanes)));

template <class To, class From>
To bits_as(const From& from) {
  static_assert(sizeof(To) == sizeof(From));
  To to;
  std::memcpy(&to, &from, sizeof(to));
  return to;
}

/// 0, 1, 2, ...
inline VecInt lane_ids() {
  return []<int... L>(std::integer_sequence<int, L...>) { return VecInt{L...}; }
  (std::make_integer_sequence<int, kLanes>());
}

inline Vec broadcast(float value) { return value - Vec{}; }
inline Vec max(Vec a, Vec b) { return a > b ? a : b; }
inline int64_t round_up(int64_t count, int64_t unit) { return (count + unit - 1) / unit * unit; }

/// The bits of kLanes half-wide floats, widened; elements past `count` are zero and not read.
inline VecWord load_halves(const void* from, int64_t count = kLanes) {
  VecHalf halves{};
  if (count >= kLanes) {
    std::memcpy(&halves, from, sizeof(halves));
  } else {
#if defined(__AVX512BW__) && defined(__AVX512VL__)
    halves = bits_as<VecHalf>(
        _mm256_maskz_loadu_epi16(static_cast<__mmask16>((1U << count) - 1U), from));
#else
    for (int64_t i = 0; i < count; ++i) halves[i] = static_cast<const uint16_t*>(from)[i];
#endif
  }
  return __builtin_convertvector(halves, VecWord);
}

inline Vec load(const float* from) {
  Vec value;
  std::memcpy(&value, from, sizeof(value));
  return value;
}
inline Vec load(const bf16* from) { return bits_as<Vec>(load_halves(from) << 16); }

/// The first `count` elements; the others are zero and not read.
inline Vec load_part(const float* from, int64_t count) {
  if (count >= kLanes) return load(from);
#if defined(__AVX512BW__)
  return bits_as<Vec>(_mm512_maskz_loadu_ps(static_cast<__mmask16>((1U << count) - 1U), from));
#else
  Vec value{};
  for (int64_t i = 0; i < count; ++i) value[i] = from[i];
  return value;
#endif
}
inline Vec load_part(const bf16* from, int64_t count) {
  return bits_as<Vec>(load_halves(from, count) << 16);
}

inline void store(float* to, Vec value) { std::memcpy(to, &value, sizeof(value)); }
/// Rounded to nearest even; NaN stays NaN.
inline void store(bf16* to, Vec value) {
  const auto word = bits_as<VecWord>(value);
  const VecWord rounded = (word + 0x7FFFU + ((word >> 16) & 1U)) >> 16;
  const VecWord quiet = (word >> 16) | 0x40U;
  const VecWord bits = (word & 0x7FFFFFFFU) > 0x7F800000U ? quiet : rounded;
  const VecHalf halves = __builtin_convertvector(bits, VecHalf);
  std::memcpy(static_cast<void*>(to), &halves, sizeof(halves));
}
template <class T>
void store_part(T* to, Vec value, int64_t count) {
  if (count >= kLanes) return store(to, value);
  T whole[kLanes];
  store(whole, value);
  std::memcpy(static_cast<void*>(to), whole, static_cast<size_t>(count) * sizeof(T));
}

inline float max_of(Vec v) {
  for (int step = kLanes / 2; step > 0; step /= 2) {
    Vec other;
    for (int i = 0; i < kLanes; ++i) other[i] = v[(i + step) % kLanes];
    v = max(v, other);
  }
  return v[0];
}

inline float sum_of(Vec v) {
  for (int step = kLanes / 2; step > 0; step /= 2) {
    Vec other;
    for (int i = 0; i < kLanes; ++i) other[i] = v[(i + step) % kLanes];
    v += other;
  }
  return v[0];
}

/// e^x to about 1e-7 relative for x <= 88; 0 below -87.3 (so also for -inf); NaN stays NaN.
/// x = n ln 2 + r with |r| <= ln 2 / 2; e^r by a polynomial of degree 6 (Cephes' expf).
inline Vec exp(Vec x) {
  const Vec low = broadcast(-87.3F);
  const VecInt tiny = x < low;
  x = tiny ? low : x;
  const Vec shift = broadcast(12582912.0F);  // 1.5 * 2^23: adding it rounds to an integer
  const Vec shifted = x * 1.44269504088896341F + shift;
  const Vec n = shifted - shift;
  const Vec r = (x - n * 0.693359375F) + n * 2.12194440e-4F;
  Vec p = r * 1.9875691500e-4F + 1.3981999507e-3F;
  p = p * r + 8.3334519073e-3F;
  p = p * r + 4.1665795894e-2F;
  p = p * r + 1.6666665459e-1F;
  p = p * r + 5.0000001201e-1F;
  p = p * (r * r) + r + 1.0F;
  const VecInt power = (bits_as<VecInt>(shifted) << 23) + (127 << 23);
  return tiny ? Vec{} : p * bits_as<Vec>(power);
}

}  // namespace memlong::ops::cpu
