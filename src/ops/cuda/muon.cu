#include "ops/cuda/elements.cuh"
#include "ops/muon_kernels.h"

namespace memlong::ops {
namespace {

/// u = momentum u + scale g; d = fresh g + old u.
struct Momentum {
  const float* gradient;
  float* u;
  float* d;
  float momentum, scale, fresh, old;

  template <int N>
  __device__ void at(int64_t i) const {
    float g[N];
    float sum[N];
    device::load_floats(gradient + i, g);
    device::load_floats(u + i, sum);
#pragma unroll
    for (int j = 0; j < N; ++j) {
      sum[j] = momentum * sum[j] + scale * g[j];
      g[j] = fresh * g[j] + old * sum[j];
    }
    device::store_floats(u + i, sum);
    device::store_floats(d + i, g);
  }
};

struct Round {
  float* x;
  bf16* low;
  float scale, factor;

  template <int N>
  __device__ void at(int64_t i) const {
    float value[N];
    device::load_floats(x + i, value);
#pragma unroll
    for (int j = 0; j < N; ++j) value[j] *= scale;
    device::store_floats(low + i, value);
#pragma unroll
    for (int j = 0; j < N; ++j) value[j] *= factor;
    device::store_floats(x + i, value);
  }
};

/// to = own to + other x.
template <class T>
struct Blend {
  T* to;
  const float* x;
  float own, other;

  template <int N>
  __device__ void at(int64_t i) const {
    float value[N];
    float added[N];
    device::load_floats(to + i, value);
    device::load_floats(x + i, added);
#pragma unroll
    for (int j = 0; j < N; ++j) value[j] = own * value[j] + other * added[j];
    device::store_floats(to + i, value);
  }
};

}  // namespace

template <>
void muon_momentum_kernel<Device::cuda>(Context& context, const TensorView& gradient,
                                        const TensorView& u, const TensorView& d,
                                        const MuonOptions& options) {
  const Momentum work = {.gradient = gradient.data<float>(),
                         .u = u.data<float>(),
                         .d = d.data<float>(),
                         .momentum = options.momentum,
                         .scale = options.gradient_scale,
                         .fresh = options.nesterov ? options.gradient_scale : 0.0F,
                         .old = options.nesterov ? options.momentum : 1.0F};
  for_flat(context, "muon_momentum", work, gradient, u, d);
}

template <>
void muon_round_kernel<Device::cuda>(Context& context, const TensorView& x, const TensorView& low,
                                     float scale, float factor) {
  const Round work = {x.data<float>(), low.data<bf16>(), scale, factor};
  for_flat(context, "muon_round", work, x, low);
}

template <>
void muon_combine_kernel<Device::cuda>(Context& context, const TensorView& low,
                                       const TensorView& square, float b, float c) {
  const Blend<bf16> work = {low.data<bf16>(), square.data<float>(), b, c};
  for_flat(context, "muon_combine", work, low, square);
}

template <>
void muon_apply_kernel<Device::cuda>(Context& context, const TensorView& value, const TensorView& x,
                                     float keep, float rate) {
  const Blend<float> work = {value.data<float>(), x.data<float>(), keep, -rate};
  for_flat(context, "muon_apply", work, value, x);
}

}  // namespace memlong::ops
