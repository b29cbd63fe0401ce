#include <algorithm>
#include <vector>

#include "ops/adamw_kernels.h"
#include "ops/cuda/elements.cuh"
#include "ops/cuda/reduce.cuh"
#include "tensor/cuda/runtime.h"

namespace memlong::ops {
namespace {

struct Step {
  AdamWFactors f;
  float* value;
  const float* gradient;
  float* m;
  float* v;

  template <int N>
  __device__ void at(int64_t i) const {
    float slope[N];
    float mean[N];
    float square[N];
    float result[N];
    device::load_floats(gradient + i, slope);
    device::load_floats(m + i, mean);
    device::load_floats(v + i, square);
    device::load_floats(value + i, result);
#pragma unroll
    for (int j = 0; j < N; ++j) {
      const float g = f.gradient * slope[j];
      mean[j] = f.beta1 * mean[j] + f.rest1 * g;
      square[j] = f.beta2 * square[j] + f.rest2 * (g * g);
      result[j] = f.keep * result[j] - f.rate * mean[j] / (sqrtf(square[j]) * f.root + f.eps);
    }
    device::store_floats(m + i, mean);
    device::store_floats(v + i, square);
    device::store_floats(value + i, result);
  }
};

constexpr int kSumThreads = 256;
/// Neighbours that a thread adds in one go, whatever the alignment: which
/// numbers meet in a sum depends on their count alone.
constexpr int kGroup = 8;

struct DoubleSum {
  using Type = double;
  __device__ static double neutral() { return 0.0; }
  __device__ static double join(double a, double b) { return a + b; }
};

/// shares[block] = its part of the sum of x^2.
template <bool kAligned>
__global__ void __launch_bounds__(kSumThreads)
    sum_squares(const float* x, int64_t count, double* shares) {
  const int64_t step = static_cast<int64_t>(gridDim.x) * kSumThreads * kGroup;
  const int64_t thread = static_cast<int64_t>(blockIdx.x) * kSumThreads + threadIdx.x;
  double sum = 0.0;
  for (int64_t i = thread * kGroup; i < count; i += step) {
    float value[kGroup];
    if (kAligned && i + kGroup <= count) {
      device::load_floats(x + i, value);
    } else {
#pragma unroll
      for (int j = 0; j < kGroup; ++j) value[j] = i + j < count ? x[i + j] : 0.0F;
    }
#pragma unroll
    for (int j = 0; j < kGroup; ++j) {
      sum += static_cast<double>(value[j]) * static_cast<double>(value[j]);
    }
  }
  sum = device::block_join<DoubleSum>(sum);
  if (threadIdx.x == 0) shares[blockIdx.x] = sum;
}

/// That share out the sum of x^2.
int64_t sum_blocks(const TensorView& x) {
  constexpr int64_t kBlockElements = 16384;
  constexpr int64_t kMostBlocks = 1024;
  return std::min(kMostBlocks, (x.elements() + kBlockElements - 1) / kBlockElements);
}

}  // namespace

template <>
void adamw_kernel<Device::cuda>(Context& context, const TensorView& value,
                                const TensorView& gradient, const TensorView& m,
                                const TensorView& v, const AdamWOptions& options) {
  const Step work = {adamw_factors(options), value.data<float>(), gradient.data<float>(),
                     m.data<float>(), v.data<float>()};
  for_flat(context, "adamw", work, value, gradient, m, v);
}

template <>
double square_sum_kernel<Device::cuda>(Context& context, std::span<const TensorView> xs) {
  int64_t blocks = 0;
  for (const TensorView& x : xs) blocks += sum_blocks(x);
  if (blocks == 0) return 0.0;
  const TensorView scratch = context.scratch("square_sum shares", {blocks}, DType::i64);
  auto* shares = static_cast<double*>(scratch.raw());
  int64_t first = 0;
  for (const TensorView& x : xs) {
    const int64_t count = x.elements();
    if (count == 0) continue;
    launch(context, "square_sum", {static_cast<unsigned>(sum_blocks(x)), kSumThreads},
           rows_aligned(x.reshape({count}), 16) ? sum_squares<true> : sum_squares<false>,
           x.data<float>(), count, shares + first);
    first += sum_blocks(x);
  }
  std::vector<double> parts(static_cast<size_t>(blocks));
  cuda::copy_bytes(context, parts.data(), shares, parts.size() * sizeof(double));
  context.synchronize();
  double sum = 0.0;
  auto part = parts.begin();
  for (const TensorView& x : xs) {
    double own = 0.0;
    for (int64_t block = sum_blocks(x); block > 0; --block) own += *part++;
    sum += own;
  }
  return sum;
}

}  // namespace memlong::ops
