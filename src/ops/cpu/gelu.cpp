#include <algorithm>

#include "ops/cpu/vec.h"
#include "ops/dispatch.h"
#include "ops/gelu_kernels.h"
#include "tensor/parallel.h"

namespace memlong::ops {
namespace {

using cpu::Vec;

/// 1 - erf(z) for z >= 0, wrong by 1.5e-7 at most, beside rounding (Abramowitz and Stegun, 7.1.26).
Vec erfc_of_positive(Vec z) {
  const Vec t = 1.0F / (z * 0.3275911F + 1.0F);
  Vec p = t * 1.061405429F - 1.453152027F;
  p = p * t + 1.421413741F;
  p = p * t - 0.284496736F;
  p = p * t + 0.254829592F;
  return p * t * cpu::exp(-z * z);
}

/// With e = 1 - erf(|x| / sqrt(2)): x - x e / 2 for positive x, x e / 2 for negative ones, so that
/// neither loses digits. Beyond 14 e is 0 in f32; there infinite x would give infinity times 0.
Vec gelu_of(Vec x) {
  const Vec zero{};
  const Vec size = x < zero ? -x : x;
  const Vec half = x * 0.5F * erfc_of_positive(size * 0.707106781F);
  const Vec some = x < zero ? half : x - half;
  return size > cpu::broadcast(14.0F) ? cpu::max(x, zero) : some;
}

}  // namespace

template <>
void gelu_kernel<Device::cpu>(Context& context, const TensorView& x, const TensorView& out) {
  dispatch_float(x.dtype(), [&](auto type) {
    using T = decltype(type);
    const T* from = x.data<T>();
    T* to = out.data<T>();
    const double nanoseconds = 0.6 * static_cast<double>(x.dim(1));
    parallel_for(context, x.dim(0), nanoseconds, [&](int64_t t) {
      for (int64_t f = 0; f < x.dim(1); f += cpu::kLanes) {
        const int64_t left = std::min(x.dim(1) - f, cpu::kLanes);
        cpu::store_part(to + t * out.stride(0) + f,
                        gelu_of(cpu::load_part(from + t * x.stride(0) + f, left)), left);
      }
    });
  });
}

}  // namespace memlong::ops
