#include <algorithm>
#include <cmath>

#include "ops/cpu/vec.h"
#include "ops/dispatch.h"
#include "ops/rms_norm_kernels.h"
#include "tensor/parallel.h"

namespace memlong::ops {
namespace {

using cpu::kLanes;
using cpu::Vec;

template <class In, class Out>
void norm_row(const In* x, const float* weight, float eps, Out* out, int64_t count) {
  Vec squares{};
  for (int64_t c = 0; c < count; c += kLanes) {
    const Vec value = cpu::load_part(x + c, std::min(count - c, kLanes));
    squares += value * value;
  }
  const float mean = cpu::sum_of(squares) / static_cast<float>(count);
  const float scale = 1.0F / std::sqrt(mean + eps);
  for (int64_t c = 0; c < count; c += kLanes) {
    const int64_t left = std::min(count - c, kLanes);
    const Vec value = cpu::load_part(x + c, left) * scale * cpu::load_part(weight + c, left);
    cpu::store_part(out + c, value, left);
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
      const double nanoseconds = 0.2 * static_cast<double>(x.dim(1));
      parallel_for(context, x.dim(0), nanoseconds, [&](int64_t t) {
        norm_row(from + t * x.stride(0), weight.data<float>(), eps, target + t * out.stride(0),
                 x.dim(1));
      });
    });
  });
}

}  // namespace memlong::ops
