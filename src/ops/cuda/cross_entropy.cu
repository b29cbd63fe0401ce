#include "ops/cross_entropy_kernels.h"
#include "ops/cuda/device.cuh"
#include "ops/cuda/order.cuh"
#include "ops/cuda/reduce.cuh"
#include "ops/cuda/width.h"
#include "ops/dispatch.h"
#include "tensor/cuda/runtime.h"

namespace memlong::ops {
namespace {

constexpr int kThreads = 512;
constexpr float kLog2E = 1.44269504088896341F;

struct LargestKey {
  using Type = uint64_t;
  __device__ static uint64_t neutral() { return 0; }
  __device__ static uint64_t join(uint64_t a, uint64_t b) { return a > b ? a : b; }
};

/// exp(x), of a difference of logits: the product is not made before the
/// difference, whose error is relative.
__device__ __forceinline__ float exp_fast(float x) { return device::exp2_fast(x * kLog2E); }

/// The largest of a thread's logits, where it is first, and the sum of
/// exp(logit - largest).
struct Part {
  float largest = -INFINITY;
  int at = 0;
  float sum = 0.0F;

  template <int N>
  __device__ __forceinline__ void take(const float (&x)[N], int column) {
    float top = x[0];
#pragma unroll
    for (int j = 1; j < N; ++j) top = fmaxf(top, x[j]);
    if (top > largest) {
      sum *= exp_fast(largest - top);
      largest = top;
#pragma unroll
      for (int j = N - 1; j >= 0; --j) {
        if (x[j] == top) at = column + j;
      }
    }
    const float shift = largest == -INFINITY ? 0.0F : largest;  // NaN joins the sum either way
#pragma unroll
    for (int j = 0; j < N; ++j) sum += exp_fast(x[j] - shift);
  }
};

struct Rows {
  const float* logits;
  int64_t stride;
  const int32_t* targets;
  const float* weights;
  float* loss;
  int32_t* argmax;
  int columns;
};

template <class Grad>
struct Gradient {
  Grad* rows;  ///< null where none is wanted
  int64_t stride;
};

/// One block for each row. dlogits may be logits: a thread writes only what it
/// alone still reads.
template <int N, class Grad>
__global__ void __launch_bounds__(kThreads)
    cross_entropy_rows(const Rows all, const Gradient<Grad> dlogits) {
  const float* x = all.logits + blockIdx.x * all.stride;
  const int target = all.targets[blockIdx.x];
  const float at_target = target < 0 ? 0.0F : x[target];
  const int first = static_cast<int>(threadIdx.x) * N;
  Part part;
  for (int c = first; c < all.columns; c += kThreads * N) {
    float value[N];
    device::load_floats(x + c, value);
    part.take(value, c);
  }
  const uint64_t key = device::block_join<LargestKey>(
      device::order_key(part.largest, static_cast<uint32_t>(part.at)));
  const float largest = __uint_as_float(device::value_bits_of_key(key));
  const float sum = device::block_reduce<device::Sum>(part.sum * exp_fast(part.largest - largest));
  if (threadIdx.x == 0) {
    all.loss[blockIdx.x] = target < 0 ? 0.0F : logf(sum) + (largest - at_target);
    all.argmax[blockIdx.x] = static_cast<int32_t>(device::index_of_key(key));
  }
  if (dlogits.rows == nullptr) return;
  Grad* gradient = dlogits.rows + blockIdx.x * dlogits.stride;
  const float weight = target < 0 ? 0.0F : all.weights[blockIdx.x];
  const float scale = weight / sum;
  for (int c = first; c < all.columns; c += kThreads * N) {
    float value[N] = {};
    if (weight != 0.0F) {
      device::load_floats(x + c, value);
#pragma unroll
      for (int j = 0; j < N; ++j) {
        const float power = exp_fast(value[j] - largest);
        value[j] = c + j == target ? weight * (power / sum - 1.0F) : power * scale;
      }
    }
    device::store_floats(gradient + c, value);
  }
}

}  // namespace

template <>
void cross_entropy_kernel<Device::cuda>(Context& context, const CrossEntropyArgs& args) {
  const TensorView& logits = args.logits;
  const TensorView& d = args.dlogits;
  const int64_t rows = logits.dim(0);
  const TensorView targets = context.scratch("cross_entropy targets", {rows}, DType::i32);
  const TensorView weights = context.scratch("cross_entropy weights", {rows}, DType::f32);
  const TensorView loss = context.scratch("cross_entropy loss", {rows}, DType::f32);
  const TensorView argmax = context.scratch("cross_entropy argmax", {rows}, DType::i32);
  cuda::copy_bytes(context, targets.raw(), args.targets.data(), args.targets.size_bytes());
  cuda::copy_bytes(context, weights.raw(), args.weights.data(), args.weights.size_bytes());
  const Rows all = {logits.data<float>(),           logits.stride(0),   targets.data<int32_t>(),
                    weights.data<float>(),          loss.data<float>(), argmax.data<int32_t>(),
                    static_cast<int>(logits.dim(1))};
  dispatch_float(d.raw() == nullptr ? DType::f32 : d.dtype(), [&](auto type) {
    using Grad = decltype(type);
    Gradient<Grad> gradient{};
    if (d.raw() != nullptr) gradient = {d.data<Grad>(), d.stride(0)};
    const auto run = [&](auto width) {
      launch(context, "cross_entropy", {static_cast<unsigned>(rows), kThreads},
             cross_entropy_rows<decltype(width)::value, Grad>, all, gradient);
    };
    dispatch_width(logits.dim(1), run, logits, d);
  });
  cuda::copy_bytes(context, args.loss.data(), loss.raw(), args.loss.size_bytes());
  cuda::copy_bytes(context, args.argmax.data(), argmax.raw(), args.argmax.size_bytes());
  context.synchronize();
}

}  // namespace memlong::ops
