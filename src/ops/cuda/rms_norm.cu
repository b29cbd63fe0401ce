#include "ops/cuda/device.cuh"
#include "ops/cuda/width.h"
#include "ops/dispatch.h"
#include "ops/rms_norm_kernels.h"

namespace memlong::ops {
namespace {

constexpr int kThreads = 256;

/// One block for each row.
template <int N, class In, class Out>
__global__ void __launch_bounds__(kThreads)
    norm_rows(const In* x, int64_t x_stride, const float* weight, float eps, Out* out,
              int64_t out_stride, int columns) {
  const int first = static_cast<int>(threadIdx.x) * N;
  const int step = static_cast<int>(blockDim.x) * N;
  if (N > 1 && gridDim.x == 1) {  // a token: its weights are no longer in any cache
    for (int c = first; c < columns; c += step) device::fetch_ahead(weight + c);
  }
  device::wait_for_earlier();
  x += blockIdx.x * x_stride;
  out += blockIdx.x * out_stride;
  float squares = 0.0F;
  for (int c = first; c < columns; c += step) {
    float value[N];
    device::load_floats(x + c, value);
#pragma unroll
    for (int i = 0; i < N; ++i) squares += value[i] * value[i];
  }
  squares = device::block_reduce<device::Sum>(squares);
  const float scale = 1.0F / sqrtf(squares / static_cast<float>(columns) + eps);
  // out may be x: a thread writes only what it alone has read, all of it before.
  for (int c = first; c < columns; c += step) {
    float value[N];
    float factor[N];
    device::load_floats(x + c, value);
    device::load_floats(weight + c, factor);
#pragma unroll
    for (int i = 0; i < N; ++i) value[i] = value[i] * scale * factor[i];
    device::store_floats(out + c, value);
  }
}

}  // namespace

template <>
void rms_norm_kernel<Device::cuda>(Context& context, const TensorView& x, const TensorView& weight,
                                   float eps, const TensorView& out) {
  const auto columns = static_cast<int>(x.dim(1));
  const LaunchShape shape = {static_cast<unsigned>(x.dim(0)), kThreads};
  dispatch_float(x.dtype(), [&](auto in) {
    dispatch_float(out.dtype(), [&](auto to) {
      using In = decltype(in);
      using Out = decltype(to);
      const auto run = [&](auto width) {
        launch_early(context, "rms_norm", shape, norm_rows<decltype(width)::value, In, Out>,
                     x.data<In>(), x.stride(0), weight.data<float>(), eps, out.data<Out>(),
                     out.stride(0), columns);
      };
      dispatch_width(columns, run, x, weight, out);
    });
  });
}

}  // namespace memlong::ops
