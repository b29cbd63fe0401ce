// Sixteen floats at a time, in the compiler's vector extension: one AVX-512 register, or as many
// smaller ones as the machine needs.
#pragma once

#include <cstdint>
#include <cstring>

namespace memlong::ops::cpu {

inline constexpr int64_t kLanes = 16;
using Vec = float __attribute__((vector_size(64)));
using VecInt = int32_t __attribute__((vector_size(64)));

inline Vec load(const float* from) {
  Vec value;
  std::memcpy(&value, from, sizeof(value));
  return value;
}
inline void store(float* to, Vec value) { std::memcpy(to, &value, sizeof(value)); }
inline Vec broadcast(float value) { return value - Vec{}; }
inline Vec max(Vec a, Vec b) { return a > b ? a : b; }

inline int64_t round_to_lanes(int64_t count) { return (count + kLanes - 1) / kLanes * kLanes; }

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
  VecInt bits;
  std::memcpy(&bits, &shifted, sizeof(bits));
  const VecInt power = (bits << 23) + (127 << 23);
  Vec scale;
  std::memcpy(&scale, &power, sizeof(scale));
  return tiny ? Vec{} : p * scale;
}

}  // namespace memlong::ops::cpu
