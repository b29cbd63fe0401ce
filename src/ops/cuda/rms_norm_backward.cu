#include "ops/column_sum.h"
#include "ops/cuda/device.cuh"
#include "ops/cuda/width.h"
#include "ops/dispatch.h"
#include "ops/rms_norm_kernels.h"

namespace memlong::ops {
namespace {

constexpr int kThreads = 256;
/// Rows of one block, whose share of dweight is summed one after the other. The shares are then
/// added up: an order that no device changes.
constexpr int kBlockRows = 16;

template <class In, class Grad>
struct Rows {
  const In* x;
  int64_t x_stride;
  const float* weight;
  float eps;
  const Grad* dout;
  int64_t dout_stride;
  float* dx;
  int64_t dx_stride;
  float* shares;  ///< [blocks, columns], or null
  int rows;
  int columns;
};

/// r, and what of n is taken off: mean(weight dout n) r.
template <int N, class In, class Grad>
__device__ void row_factors(const Rows<In, Grad>& all, const In* x, const Grad* dout, float& scale,
                            float& along) {
  float sums[2] = {0.0F, 0.0F};  // of squares, of products
  const int step = static_cast<int>(blockDim.x) * N;
  for (int c = static_cast<int>(threadIdx.x) * N; c < all.columns; c += step) {
    float value[N];
    float factor[N];
    float slope[N];
    device::load_floats(x + c, value);
    device::load_floats(all.weight + c, factor);
    device::load_floats(dout + c, slope);
#pragma unroll
    for (int i = 0; i < N; ++i) {
      sums[0] += value[i] * value[i];
      sums[1] += value[i] * (factor[i] * slope[i]);
    }
  }
  device::block_reduce<device::Sum>(sums);
  const auto columns = static_cast<float>(all.columns);
  scale = 1.0F / sqrtf(sums[0] / columns + all.eps);
  along = scale * scale * (sums[1] / columns);
}

template <int N, class In, class Grad>
__global__ void __launch_bounds__(kThreads) norm_rows_backward(const Rows<In, Grad> all) {
  const int begin = static_cast<int>(blockIdx.x) * kBlockRows;
  const int end = min(all.rows, begin + kBlockRows);
  const int step = static_cast<int>(blockDim.x) * N;
  for (int t = begin; t < end; ++t) {
    const In* x = all.x + t * all.x_stride;
    const Grad* dout = all.dout + t * all.dout_stride;
    float* dx = all.dx + t * all.dx_stride;
    float scale = 0.0F;
    float along = 0.0F;
    row_factors<N>(all, x, dout, scale, along);
    for (int c = static_cast<int>(threadIdx.x) * N; c < all.columns; c += step) {
      float value[N];
      float factor[N];
      float slope[N];
      float change[N];
      device::load_floats(x + c, value);
      device::load_floats(all.weight + c, factor);
      device::load_floats(dout + c, slope);
      device::load_floats(dx + c, change);
#pragma unroll
      for (int i = 0; i < N; ++i) {
        value[i] *= scale;
        change[i] += scale * (factor[i] * slope[i]) - value[i] * along;
      }
      device::store_floats(dx + c, change);
      if (all.shares == nullptr) continue;
      // A thread has the same columns in every row: nobody else reads or writes its shares.
      float* share = all.shares + static_cast<int64_t>(blockIdx.x) * all.columns + c;
      float sum[N] = {};
      if (t > begin) device::load_floats(share, sum);
#pragma unroll
      for (int i = 0; i < N; ++i) sum[i] += slope[i] * value[i];
      device::store_floats(share, sum);
    }
  }
}

}  // namespace

template <>
void rms_norm_backward_kernel<Device::cuda>(Context& context, const TensorView& x,
                                            const TensorView& weight, float eps,
                                            const TensorView& dout, const TensorView& dx,
                                            const TensorView& dweight) {
  const int64_t columns = x.dim(1);
  const unsigned blocks = blocks_for(x.dim(0), kBlockRows);
  const bool sums = dweight.raw() != nullptr;
  TensorView shares;
  if (sums) shares = context.scratch("rms_norm dweight", {blocks, columns}, DType::f32);
  dispatch_float(x.dtype(), [&](auto in) {
    dispatch_float(dout.dtype(), [&](auto grad) {
      using In = decltype(in);
      using Grad = decltype(grad);
      const Rows<In, Grad> all = {x.data<In>(),
                                  x.stride(0),
                                  weight.data<float>(),
                                  eps,
                                  dout.data<Grad>(),
                                  dout.stride(0),
                                  dx.data<float>(),
                                  dx.stride(0),
                                  sums ? shares.data<float>() : nullptr,
                                  static_cast<int>(x.dim(0)),
                                  static_cast<int>(columns)};
      const auto run = [&](auto width) {
        launch(context, "rms_norm_backward", {blocks, kThreads},
               norm_rows_backward<decltype(width)::value, In, Grad>, all);
      };
      dispatch_width(columns, run, x, weight, dout, dx);
    });
  });
  if (sums) column_sum(context, shares, dweight);
}

}  // namespace memlong::ops
