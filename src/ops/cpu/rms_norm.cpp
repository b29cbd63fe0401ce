#include <cmath>

#include "ops/cpu/convert.h"
#include "ops/cpu/parallel.h"
#include "ops/dispatch.h"
#include "ops/rms_norm_kernels.h"

namespace memlong::ops {
namespace {

template <class In, class Out>
void norm_row(const In* x, const float* weight, float eps, Out* out, int64_t count) {
  float sum = 0.0F;
#pragma omp simd reduction(+ : sum)
  for (int64_t c = 0; c < count; ++c) {
    const float value = cpu::to_float(x[c]);
    sum += value * value;
  }
  const float scale = 1.0F / std::sqrt(sum / static_cast<float>(count) + eps);
#pragma omp simd
  for (int64_t c = 0; c < count; ++c) {
    cpu::store_float(out + c, cpu::to_float(x[c]) * scale * weight[c]);
  }
}

}  // namespace

template <>
void rms_norm_kernel<Device::cpu>(Context& context, const TensorView& x, const TensorView& weight,
                                  float eps, const TensorView& out) {
  dispatch_float(x.dtype(), [&](auto in) {
    dispatch_float(out.dtype(), [&](auto to) {
      const auto* from = x.data<decltype(in)>();
      auto* target = out.data<decltype(to)>();
      cpu::parallel_for(context, x.dim(0), x.dim(1), [&](int64_t t) {
        norm_row(from + t * x.stride(0), weight.data<float>(), eps, target + t * out.stride(0),
                 x.dim(1));
      });
    });
  });
}

}  // namespace memlong::ops
