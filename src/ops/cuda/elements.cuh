// Operators that treat elements, or a few neighbours, one like the other: one kernel for all, which
// calls what the operator gives it.
#pragma once

#include <algorithm>

#include "ops/cuda/device.cuh"
#include "ops/cuda/width.h"

namespace memlong::ops {

inline constexpr int kElementThreads = 256;

template <int N, class Work>
__global__ void __launch_bounds__(kElementThreads)
    work_on_elements(const Work work, int64_t count) {
  device::wait_for_earlier();
  const int64_t step = static_cast<int64_t>(gridDim.x) * kElementThreads * N;
  const int64_t thread = static_cast<int64_t>(blockIdx.x) * kElementThreads + threadIdx.x;
  // Nearly always one round: unrolled it would only cost registers.
#pragma unroll 1
  for (int64_t i = thread * N; i < count; i += step) work.template at<N>(i);
}

/// Calls work.at<N>(i) on the device for i = 0, N, 2 N, ... below `count`, each on a thread of its
/// own. N is 8 where `columns`, which divides count, and the rows of all views allow it, else 1.
/// Work is a plain struct: `template <int N> __device__ void at(int64_t i) const`.
template <class Work, class... Views>
void for_elements(Context& context, const char* name, const Work& work, int64_t count,
                  int64_t columns, const Views&... views) {
  const auto run = [&](auto width) {
    constexpr int kWidth = decltype(width)::value;
    constexpr int64_t kMostBlocks = 1 << 16;  // 32 waves of the largest devices
    const int64_t blocks = (count / kWidth + kElementThreads - 1) / kElementThreads;
    const auto grid = static_cast<unsigned>(std::min(kMostBlocks, blocks));
    launch_early(context, name, {grid, kElementThreads}, work_on_elements<kWidth, Work>, work,
                 count);
  };
  dispatch_width(columns, run, views...);
}

/// The same for contiguous views that have all as many elements.
template <class Work, class... Views>
void for_flat(Context& context, const char* name, const Work& work, const TensorView& first,
              const Views&... others) {
  const int64_t count = first.elements();
  for_elements(context, name, work, count, count, first.reshape({count}),
               others.reshape({count})...);
}

}  // namespace memlong::ops
