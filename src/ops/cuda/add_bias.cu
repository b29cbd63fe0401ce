#include <algorithm>

#include "ops/cuda/device.cuh"
#include "ops/cuda/gemm_library.h"
#include "ops/cuda/launch.h"

namespace memlong::ops {
namespace {

constexpr int kThreads = 256;

/// blockIdx.y and on: columns of a matrix by columns, which are rows of memlong's.
__global__ void __launch_bounds__(kThreads)
    add_to_columns(const float* bias, float* out, int64_t rows, int64_t columns, int64_t leading) {
  device::wait_for_earlier();
  const int64_t row = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  if (row >= rows) return;
  const float more = bias[row];
  for (int64_t c = blockIdx.y; c < columns; c += gridDim.y) out[c * leading + row] += more;
}

}  // namespace

void add_bias(Context& context, const GemmMatrix& out, const float* bias) {
  constexpr int64_t kMostRows = 4096;  // of the grid
  const auto high = static_cast<unsigned>(std::min(out.columns, kMostRows));
  launch_early(context, "bias", {dim3(blocks_for(out.rows, kThreads), high), kThreads},
               add_to_columns, bias, static_cast<float*>(out.data), out.rows, out.columns,
               out.leading);
}

}  // namespace memlong::ops
