#include "ops/column_sum_kernels.h"
#include "ops/cuda/device.cuh"
#include "ops/cuda/launch.h"
#include "ops/dispatch.h"

namespace memlong::ops {
namespace {

using device::kWarp;
constexpr int kWarps = 8;

/// A block has 32 columns, a lane one of them. Warp w adds rows w, w + kWarps, ...; the sums of the
/// warps are then added in their order.
template <class T>
__global__ void __launch_bounds__(kWarps* kWarp)
    add_columns(const T* x, int64_t stride, float* out, int64_t rows, int64_t columns) {
  struct Sums {
    float of_warp[kWarps][kWarp];
  };
  Sums& sums = device::block_shared<Sums>();
  const int lane = device::lane_index();
  const int warp = device::warp_index();
  const int64_t column = static_cast<int64_t>(blockIdx.x) * kWarp + lane;
  float sum = 0.0F;
  if (column < columns) {
    for (int64_t t = warp; t < rows; t += kWarps) sum += device::to_float(x[t * stride + column]);
  }
  sums.of_warp[warp][lane] = sum;
  __syncthreads();
  if (warp > 0 || column >= columns) return;
  for (int w = 1; w < kWarps; ++w) sum += sums.of_warp[w][lane];
  out[column] += sum;
}

}  // namespace

template <>
void column_sum_kernel<Device::cuda>(Context& context, const TensorView& x, const TensorView& out) {
  dispatch_float(x.dtype(), [&](auto element) {
    using T = decltype(element);
    launch(context, "column_sum", {blocks_for(x.dim(1), kWarp), kWarps * kWarp}, add_columns<T>,
           x.data<T>(), x.stride(0), out.data<float>(), x.dim(0), x.dim(1));
  });
}

}  // namespace memlong::ops
