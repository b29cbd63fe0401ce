#include "ops/cuda/device.cuh"
#include "ops/cuda/width.h"
#include "ops/dispatch.h"
#include "ops/layer_norm_kernels.h"

namespace memlong::ops {
namespace {

constexpr int kThreads = 256;

template <class In, class Out>
struct Rows {
  const In* x;
  int64_t x_stride;
  const float* add;  ///< null: nothing
  int64_t add_stride;
  const float* weight;
  const float* bias;
  float eps;
  Out* out;
  int64_t out_stride;
  int columns;

  template <int N>
  __device__ __forceinline__ void load(int64_t row, int c, float (&value)[N]) const {
    device::load_floats(x + row * x_stride + c, value);
    if (add == nullptr) return;
    float more[N];
    device::load_floats(add + row * add_stride + c, more);
#pragma unroll
    for (int i = 0; i < N; ++i) value[i] += more[i];
  }
};

/// One block for each row.
template <int N, class In, class Out>
__global__ void __launch_bounds__(kThreads) normalise(const Rows<In, Out> rows) {
  device::wait_for_earlier();
  const int64_t row = blockIdx.x;
  const int first = static_cast<int>(threadIdx.x) * N;
  const int step = static_cast<int>(blockDim.x) * N;
  float value[N];
  float sum = 0.0F;
  for (int c = first; c < rows.columns; c += step) {
    rows.load(row, c, value);
#pragma unroll
    for (int i = 0; i < N; ++i) sum += value[i];
  }
  const float mean = device::block_reduce<device::Sum>(sum) / static_cast<float>(rows.columns);
  float squares = 0.0F;
  for (int c = first; c < rows.columns; c += step) {
    rows.load(row, c, value);
#pragma unroll
    for (int i = 0; i < N; ++i) squares += (value[i] - mean) * (value[i] - mean);
  }
  squares = device::block_reduce<device::Sum>(squares);
  const float scale = 1.0F / sqrtf(squares / static_cast<float>(rows.columns) + rows.eps);
  // out may be x: a thread writes only what it alone has read, all of it before.
  for (int c = first; c < rows.columns; c += step) {
    float factor[N];
    float shift[N];
    rows.load(row, c, value);
    device::load_floats(rows.weight + c, factor);
    device::load_floats(rows.bias + c, shift);
#pragma unroll
    for (int i = 0; i < N; ++i) value[i] = (value[i] - mean) * scale * factor[i] + shift[i];
    device::store_floats(rows.out + row * rows.out_stride + c, value);
  }
}

}  // namespace

template <>
void layer_norm_kernel<Device::cuda>(Context& context, const LayerNormArgs& args) {
  const bool adds = args.add.raw() != nullptr;
  const LaunchShape shape = {static_cast<unsigned>(args.x.dim(0)), kThreads};
  dispatch_float(args.x.dtype(), [&](auto in) {
    dispatch_float(args.out.dtype(), [&](auto to) {
      using In = decltype(in);
      using Out = decltype(to);
      const Rows<In, Out> rows = {args.x.data<In>(),
                                  args.x.stride(0),
                                  adds ? args.add.data<float>() : nullptr,
                                  adds ? args.add.stride(0) : 0,
                                  args.weight.data<float>(),
                                  args.bias.data<float>(),
                                  args.eps,
                                  args.out.data<Out>(),
                                  args.out.stride(0),
                                  static_cast<int>(args.x.dim(1))};
      const auto run = [&](auto width) {
        launch_early(context, "layer_norm", shape, normalise<decltype(width)::value, In, Out>,
                     rows);
      };
      const TensorView& also = adds ? args.add : args.x;
      dispatch_width(args.x.dim(1), run, args.x, also, args.weight, args.bias, args.out);
    });
  });
}

}  // namespace memlong::ops
