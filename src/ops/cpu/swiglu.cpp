#include "ops/cpu/convert.h"
#include "ops/cpu/parallel.h"
#include "ops/cpu/vec.h"
#include "ops/dispatch.h"
#include "ops/swiglu_kernels.h"

namespace memlong::ops {
namespace {

/// Sixteen or fewer elements; the missing ones are zero.
template <class T>
void activate(const T* gate, const T* up, T* out, int64_t count) {
  float g[cpu::kLanes] = {};
  float u[cpu::kLanes] = {};
  float result[cpu::kLanes];
  cpu::row_to_f32<T>(gate, g, count);
  cpu::row_to_f32<T>(up, u, count);
  const cpu::Vec z = cpu::load(g);
  // -z may pass 88, where exp leaves the range of f32: silu is 0 there.
  const cpu::Vec limit = cpu::broadcast(88.0F);
  const cpu::Vec minus = -z > limit ? limit : -z;
  cpu::store(result, z / (cpu::exp(minus) + 1.0F) * cpu::load(u));
  cpu::row_from_f32<T>(result, out, count);
}

template <class T>
void swiglu_row(const T* gate, T* out, int64_t count) {
  const T* up = gate + count;
  int64_t f = 0;
  for (; f + cpu::kLanes <= count; f += cpu::kLanes) activate(gate + f, up + f, out + f, 16);
  if (f < count) activate(gate + f, up + f, out + f, count - f);
}

}  // namespace

template <>
void swiglu_kernel<Device::cpu>(Context& context, const TensorView& gate_up,
                                const TensorView& out) {
  dispatch_float(out.dtype(), [&](auto type) {
    using T = decltype(type);
    const T* from = gate_up.data<T>();
    T* to = out.data<T>();
    cpu::parallel_for(context, out.dim(0), 4 * out.dim(1), [&](int64_t t) {
      swiglu_row(from + t * gate_up.stride(0), to + t * out.stride(0), out.dim(1));
    });
  });
}

}  // namespace memlong::ops
