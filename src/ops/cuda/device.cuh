// What kernels share: reductions in a fixed order, loads and stores of several elements, the pieces
// of a running softmax. Results depend on the shape of a launch only, never on who comes first.
#pragma once

#include <cmath>

#include "ops/cuda/intrinsics.cuh"

namespace memlong::ops::device {

inline constexpr int kWarp = 32;
inline constexpr uint32_t kAllLanes = 0xFFFFFFFFU;

/// Of blocks with one dimension.
__device__ __forceinline__ int lane_index() { return static_cast<int>(threadIdx.x % kWarp); }
__device__ __forceinline__ int warp_index() { return static_cast<int>(threadIdx.x / kWarp); }

struct Sum {
  __device__ static float neutral() { return 0.0F; }
  __device__ static float join(float a, float b) { return a + b; }
};
struct Max {
  __device__ static float neutral() { return -INFINITY; }
  __device__ static float join(float a, float b) { return fmaxf(a, b); }
};

/// Over the lanes l, l ^ 1, ... of groups of `kWidth`; all get the same bits.
template <class Op, int kWidth = kWarp>
__device__ __forceinline__ float warp_reduce(float value) {
#pragma unroll
  for (int step = kWidth / 2; step > 0; step /= 2) {
    value = Op::join(value, __shfl_xor_sync(kAllLanes, value, step));
  }
  return value;
}

/// Over the threads of a one-dimensional block of whole warps; every thread must call it, and gets
/// the result. N values at once: two barriers for all.
template <class Op, int N>
__device__ __forceinline__ void block_reduce(float (&values)[N]) {
  struct Partial {
    float of_warp[N][kWarp];
  };
  Partial& partial = block_shared<Partial>();
#pragma unroll
  for (int i = 0; i < N; ++i) {
    values[i] = warp_reduce<Op>(values[i]);
    if (lane_index() == 0) partial.of_warp[i][warp_index()] = values[i];
  }
  __syncthreads();
  const int warps = static_cast<int>(blockDim.x) / kWarp;
#pragma unroll
  for (int i = 0; i < N; ++i) {
    const float mine = lane_index() < warps ? partial.of_warp[i][lane_index()] : Op::neutral();
    values[i] = warp_reduce<Op>(mine);
  }
  __syncthreads();  // the next call may write at once
}

template <class Op>
__device__ __forceinline__ float block_reduce(float value) {
  float values[1] = {value};
  block_reduce<Op>(values);
  return values[0];
}

/// Register words of `kBytes` bytes.
template <int kBytes>
struct WordOf;
template <>
struct WordOf<4> {
  using Type = uint32_t;
};
template <>
struct WordOf<8> {
  using Type = uint2;
};
template <>
struct WordOf<16> {
  using Type = uint4;
};

/// N elements at `from`, aligned to min(16, N sizeof(T)) bytes, as floats. N = 1 has no alignment
/// beyond the element's.
template <int N, class T>
__device__ __forceinline__ void load_floats(const T* from, float (&to)[N]) {
  if constexpr (N == 1) {
    to[0] = to_float(*from);
  } else {
    constexpr int kWordBytes = N * sizeof(T) < 16 ? N * sizeof(T) : 16;
    constexpr int kEach = kWordBytes / sizeof(T);
    using Word = typename WordOf<kWordBytes>::Type;
#pragma unroll
    for (int i = 0; i < N; i += kEach) {
      union {
        Word word;
        T elements[kEach];
      } piece = {load_word<Word>(from + i)};
#pragma unroll
      for (int j = 0; j < kEach; ++j) to[i + j] = to_float(piece.elements[j]);
    }
  }
}

/// The reverse, rounded to nearest even.
template <int N, class T>
__device__ __forceinline__ void store_floats(T* to, const float (&from)[N]) {
  if constexpr (N == 1) {
    *to = from_float<T>(from[0]);
  } else {
    constexpr int kWordBytes = N * sizeof(T) < 16 ? N * sizeof(T) : 16;
    constexpr int kEach = kWordBytes / sizeof(T);
    using Word = typename WordOf<kWordBytes>::Type;
#pragma unroll
    for (int i = 0; i < N; i += kEach) {
      union {
        Word word;
        T elements[kEach];
      } piece = {Word{}};
#pragma unroll
      for (int j = 0; j < kEach; ++j) piece.elements[j] = from_float<T>(from[i + j]);
      store_word(to + i, piece.word);
    }
  }
}

/// The softmax of scores that come block by block, in powers of two: scores are already multiplied
/// with log2(e). `largest` and `total` of a row; several threads may share one.
struct RunningSoftmax {
  float largest = -INFINITY;
  float total = 0.0F;

  /// Takes in the largest of the next scores; returns what earlier sums must be multiplied with.
  __device__ __forceinline__ float raise(float score) {
    const float before = largest;
    largest = fmaxf(largest, score);
    const float shrink = before == largest ? 1.0F : exp2_fast(before - largest);
    total *= shrink;
    return shrink;
  }
  /// The weight of a score, added to the total. 0 for -inf, also where all so far were -inf.
  __device__ __forceinline__ float weigh(float score) {
    const float weight = score == -INFINITY ? 0.0F : exp2_fast(score - largest);
    total += weight;
    return weight;
  }
  /// log(sum of exp), natural, of what was weighed; -inf for nothing.
  __device__ __forceinline__ float log_sum_exp() const {
    return (largest + log2f(total)) * 0.693147180559945309F;
  }
};

}  // namespace memlong::ops::device
