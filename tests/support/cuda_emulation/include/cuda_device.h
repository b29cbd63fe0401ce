// What kernels are written in: qualifiers, indices, vectors, barriers, warp operations, functions.
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <source_location>

#include "support/cuda_emulation/emulation.h"
#include "support/cuda_emulation/include/cuda_api.h"

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline
#define __grid_constant__
#define __launch_bounds__(...)
#define __align__(bytes) alignas(bytes)

struct uint3 {
  unsigned x = 0, y = 0, z = 0;
};
// Set for each thread before it goes on.
inline uint3 threadIdx;
inline uint3 blockIdx;
inline dim3 blockDim;
inline dim3 gridDim;
inline constexpr int warpSize = 32;

#define MEMLONG_VECTOR(name, type, bytes, ...) \
  struct alignas(bytes) name {                 \
    type __VA_ARGS__;                          \
  }
MEMLONG_VECTOR(float2, float, 8, x, y);
MEMLONG_VECTOR(float4, float, 16, x, y, z, w);
MEMLONG_VECTOR(int2, int, 8, x, y);
MEMLONG_VECTOR(int4, int, 16, x, y, z, w);
MEMLONG_VECTOR(uint2, unsigned, 8, x, y);
MEMLONG_VECTOR(uint4, unsigned, 16, x, y, z, w);
#undef MEMLONG_VECTOR
inline float2 make_float2(float x, float y) { return {x, y}; }
inline float4 make_float4(float x, float y, float z, float w) { return {x, y, z, w}; }
inline uint2 make_uint2(unsigned x, unsigned y) { return {x, y}; }
inline uint4 make_uint4(unsigned x, unsigned y, unsigned z, unsigned w) { return {x, y, z, w}; }

#define MEMLONG_HERE std::source_location at = std::source_location::current()
inline void __syncthreads(MEMLONG_HERE) { cuda_emulation::barrier(false, at); }
inline int __syncthreads_or(int vote, MEMLONG_HERE) {
  return cuda_emulation::barrier(vote != 0, at) ? 1 : 0;
}
inline void __threadfence() {}

namespace cuda_emulation {
inline unsigned lane() {
  return (threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z)) % 32;
}
/// The values that the lanes of the warp gave.
template <class T>
struct Lanes {
  const std::byte* slots;
  T operator[](unsigned from) const {
    T value;
    std::memcpy(&value, slots + from * kSlotBytes, sizeof(T));
    return value;
  }
};
template <class T>
Lanes<T> exchange(T value, uint32_t mask, const std::source_location& at) {
  static_assert(sizeof(T) <= kSlotBytes);
  return {exchange(&value, sizeof(T), mask, at)};
}
}  // namespace cuda_emulation

inline void __syncwarp(uint32_t mask = 0xFFFFFFFFU, MEMLONG_HERE) {
  cuda_emulation::exchange(0, mask, at);
}
template <class T>
T __shfl_sync(uint32_t mask, T value, int from, int width = 32, MEMLONG_HERE) {
  const unsigned own = cuda_emulation::lane();
  const auto group = static_cast<unsigned>(width);
  return cuda_emulation::exchange(value, mask,
                                  at)[own / group * group + static_cast<unsigned>(from) % group];
}
template <class T>
T __shfl_xor_sync(uint32_t mask, T value, int bits, int width = 32, MEMLONG_HERE) {
  const unsigned own = cuda_emulation::lane();
  const unsigned from = own ^ static_cast<unsigned>(bits);
  const unsigned end = (own / static_cast<unsigned>(width) + 1) * static_cast<unsigned>(width);
  return cuda_emulation::exchange(value, mask, at)[from < end ? from : own];
}
template <class T>
T __shfl_down_sync(uint32_t mask, T value, unsigned by, int width = 32, MEMLONG_HERE) {
  const unsigned own = cuda_emulation::lane();
  const auto group = static_cast<unsigned>(width);
  return cuda_emulation::exchange(value, mask, at)[own % group + by < group ? own + by : own];
}
template <class T>
T __shfl_up_sync(uint32_t mask, T value, unsigned by, int width = 32, MEMLONG_HERE) {
  const unsigned own = cuda_emulation::lane();
  return cuda_emulation::exchange(value, mask,
                                  at)[own % static_cast<unsigned>(width) >= by ? own - by : own];
}
inline uint32_t __ballot_sync(uint32_t mask, int vote, MEMLONG_HERE) {
  const auto votes = cuda_emulation::exchange(vote, mask, at);
  uint32_t bits = 0;
  for (unsigned from = 0; from < 32; ++from) bits |= votes[from] != 0 ? 1U << from : 0U;
  return bits;
}
inline int __any_sync(uint32_t mask, int vote, MEMLONG_HERE) {
  return __ballot_sync(mask, vote, at) != 0;
}
inline int __all_sync(uint32_t mask, int vote, MEMLONG_HERE) {
  return __ballot_sync(mask, vote, at) == 0xFFFFFFFFU;
}
#undef MEMLONG_HERE

template <class T>
T atomicAdd(T* to, T value) {
  const T before = *to;
  *to = before + value;
  return before;
}
template <class T>
T __ldg(const T* from) {
  return *from;
}
inline float rsqrtf(float x) { return 1.0F / std::sqrt(x); }
inline float __expf(float x) { return std::exp(x); }
inline float __logf(float x) { return std::log(x); }
inline float __fdividef(float x, float y) { return x / y; }
inline int __popc(uint32_t x) { return std::popcount(x); }
inline int __clz(uint32_t x) { return std::countl_zero(x); }
inline int __ffs(uint32_t x) { return x == 0 ? 0 : std::countr_zero(x) + 1; }
inline uint32_t __float_as_uint(float x) { return std::bit_cast<uint32_t>(x); }
inline float __uint_as_float(uint32_t x) { return std::bit_cast<float>(x); }
inline int __float_as_int(float x) { return std::bit_cast<int>(x); }
inline float __int_as_float(int x) { return std::bit_cast<float>(x); }
using std::max;
using std::min;
