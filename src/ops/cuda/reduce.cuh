// block_reduce of device.cuh for other types than float.
#pragma once

#include "ops/cuda/device.cuh"

namespace memlong::ops::device {

/// Over the threads of a one-dimensional block of whole warps, in a fixed
/// order; every thread must call it, and gets the result. Op has Type,
/// neutral() and join().
template <class Op>
__device__ __forceinline__ typename Op::Type block_join(typename Op::Type value) {
  using Type = typename Op::Type;
  struct Partial {
    Type of_warp[kWarp];
  };
  Partial& partial = block_shared<Partial>();
#pragma unroll
  for (int step = kWarp / 2; step > 0; step /= 2) {
    value = Op::join(value, __shfl_xor_sync(kAllLanes, value, step));
  }
  if (lane_index() == 0) partial.of_warp[warp_index()] = value;
  __syncthreads();
  const int warps = static_cast<int>(blockDim.x) / kWarp;
  value = lane_index() < warps ? partial.of_warp[lane_index()] : Op::neutral();
#pragma unroll
  for (int step = kWarp / 2; step > 0; step /= 2) {
    value = Op::join(value, __shfl_xor_sync(kAllLanes, value, step));
  }
  __syncthreads();  // the next call may write at once
  return value;
}

}  // namespace memlong::ops::device
