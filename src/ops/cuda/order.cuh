// Numbers whose order is the one that top_k and argmax promise, so that every way to search for the
// largest finds the same.
#pragma once

#include "ops/cuda/device.cuh"

namespace memlong::ops::device {

/// Larger for a larger value, of equal values for the lower index; NaN below all, and 0 below that.
/// -0 equals 0. Index below 2^32 - 1.
__device__ __forceinline__ uint64_t order_key(float value, uint32_t index) {
  const uint32_t bits = __float_as_uint(value + 0.0F);  // -0 becomes 0
  const uint32_t rising = (bits >> 31) != 0 ? ~bits : bits | 0x80000000U;
  const bool nan = (bits & 0x7FFFFFFFU) > 0x7F800000U;
  return static_cast<uint64_t>(nan ? 0 : rising) << 32 | (0xFFFFFFFFU - index);
}

__host__ __device__ inline uint32_t index_of_key(uint64_t key) {
  return 0xFFFFFFFFU - static_cast<uint32_t>(key);
}
/// The bits of the value, of a NaN some NaN's.
__host__ __device__ inline uint32_t value_bits_of_key(uint64_t key) {
  const auto rising = static_cast<uint32_t>(key >> 32);
  if (rising == 0) return 0x7FC00000U;
  return (rising >> 31) != 0 ? rising & 0x7FFFFFFFU : ~rising;
}

}  // namespace memlong::ops::device
