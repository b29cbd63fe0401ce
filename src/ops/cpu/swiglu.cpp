#include <algorithm>

#include "ops/cpu/parallel.h"
#include "ops/cpu/vec.h"
#include "ops/dispatch.h"
#include "ops/swiglu_kernels.h"

namespace memlong::ops {
namespace {

using cpu::Vec;

Vec silu(Vec z) {
  // exp leaves the range of f32 past 88; silu is 0 there to that precision.
  const Vec limit = cpu::broadcast(88.0F);
  const Vec minus = -z > limit ? limit : -z;
  return z / (cpu::exp(minus) + 1.0F);
}

template <class T>
void swiglu_row(const T* gate, T* out, int64_t count) {
  const T* up = gate + count;
  for (int64_t f = 0; f < count; f += cpu::kLanes) {
    const int64_t left = std::min(count - f, cpu::kLanes);
    const Vec value = silu(cpu::load_part(gate + f, left)) * cpu::load_part(up + f, left);
    cpu::store_part(out + f, value, left);
  }
}

}  // namespace

template <>
void swiglu_kernel<Device::cpu>(Context& context, const TensorView& gate_up,
                                const TensorView& out) {
  dispatch_float(out.dtype(), [&](auto type) {
    using T = decltype(type);
    const T* from = gate_up.data<T>();
    T* to = out.data<T>();
    const double nanoseconds = 0.5 * static_cast<double>(out.dim(1));
    cpu::parallel_for(context, out.dim(0), nanoseconds, [&](int64_t t) {
      swiglu_row(from + t * gate_up.stride(0), to + t * out.stride(0), out.dim(1));
    });
  });
}

}  // namespace memlong::ops
