#include <algorithm>

#include "ops/cpu/vec.h"
#include "ops/dispatch.h"
#include "ops/swiglu_kernels.h"
#include "tensor/parallel.h"

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

/// dgate may be gate: each pair is read before it is written.
template <class T>
void backward_row(const T* gate, const T* dout, T* dgate, int64_t count) {
  const T* up = gate + count;
  T* dup = dgate + count;
  const Vec lowest = cpu::broadcast(-88.0F);  // as in silu; NaN stays
  for (int64_t f = 0; f < count; f += cpu::kLanes) {
    const int64_t left = std::min(count - f, cpu::kLanes);
    const Vec z = cpu::max(lowest, cpu::load_part(gate + f, left));
    const Vec power = cpu::exp(-z);
    const Vec s = 1.0F / (power + 1.0F);
    const Vec slope = cpu::load_part(dout + f, left);
    const Vec rise = s * (z * (power * s) + 1.0F);  // power s = 1 - s, without its cancellation
    const Vec along_gate = slope * cpu::load_part(up + f, left) * rise;
    cpu::store_part(dgate + f, along_gate, left);
    cpu::store_part(dup + f, slope * (z * s), left);
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
    parallel_for(context, out.dim(0), nanoseconds, [&](int64_t t) {
      swiglu_row(from + t * gate_up.stride(0), to + t * out.stride(0), out.dim(1));
    });
  });
}

template <>
void swiglu_backward_kernel<Device::cpu>(Context& context, const TensorView& gate_up,
                                         const TensorView& dout, const TensorView& dgate_up) {
  dispatch_float(dout.dtype(), [&](auto type) {
    using T = decltype(type);
    const T* from = gate_up.data<T>();
    const T* slope = dout.data<T>();
    T* to = dgate_up.data<T>();
    const double nanoseconds = 0.8 * static_cast<double>(dout.dim(1));
    parallel_for(context, dout.dim(0), nanoseconds, [&](int64_t t) {
      backward_row(from + t * gate_up.stride(0), slope + t * dout.stride(0),
                   to + t * dgate_up.stride(0), dout.dim(1));
    });
  });
}

}  // namespace memlong::ops
