#include "ops/cuda/elements.cuh"
#include "ops/dispatch.h"
#include "ops/swiglu_kernels.h"

namespace memlong::ops {
namespace {

/// Element i of out is column i % columns of row i / columns.
template <class T>
struct Forward {
  const T* gate_up;
  int64_t gate_up_stride;
  T* out;
  int64_t out_stride;
  int64_t columns;

  template <int N>
  __device__ void at(int64_t i) const {
    const int64_t row = i / columns;
    const int64_t column = i - row * columns;
    const T* gate = gate_up + row * gate_up_stride + column;
    float z[N];
    float value[N];
    device::load_floats(gate, z);
    device::load_floats(gate + columns, value);
#pragma unroll
    for (int j = 0; j < N; ++j) {
      // exp leaves the range of f32 past 88; silu is 0 there to that precision.
      value[j] *= z[j] / (expf(fminf(-z[j], 88.0F)) + 1.0F);
    }
    device::store_floats(out + row * out_stride + column, value);
  }
};

/// dgate_up may be gate_up: a thread writes only what it alone has read, all of it before.
template <class T>
struct Backward {
  const T* gate_up;
  int64_t gate_up_stride;
  const T* dout;
  int64_t dout_stride;
  T* dgate_up;
  int64_t dgate_up_stride;
  int64_t columns;

  template <int N>
  __device__ void at(int64_t i) const {
    const int64_t row = i / columns;
    const int64_t column = i - row * columns;
    const T* gate = gate_up + row * gate_up_stride + column;
    float along_gate[N];
    float along_up[N];
    float slope[N];
    device::load_floats(gate, along_gate);
    device::load_floats(gate + columns, along_up);
    device::load_floats(dout + row * dout_stride + column, slope);
#pragma unroll
    for (int j = 0; j < N; ++j) {
      const float z = along_gate[j] < -88.0F ? -88.0F : along_gate[j];  // as in silu; NaN stays
      const float power = expf(-z);
      const float s = 1.0F / (power + 1.0F);
      // power s = 1 - s, without its cancellation.
      along_gate[j] = slope[j] * along_up[j] * (s * (z * (power * s) + 1.0F));
      along_up[j] = slope[j] * (z * s);
    }
    T* dgate = dgate_up + row * dgate_up_stride + column;
    device::store_floats(dgate, along_gate);
    device::store_floats(dgate + columns, along_up);
  }
};

}  // namespace

template <>
void swiglu_kernel<Device::cuda>(Context& context, const TensorView& gate_up,
                                 const TensorView& out) {
  dispatch_float(out.dtype(), [&](auto type) {
    using T = decltype(type);
    const Forward<T> work = {gate_up.data<T>(), gate_up.stride(0), out.data<T>(), out.stride(0),
                             out.dim(1)};
    for_elements(context, "swiglu", work, out.elements(), out.dim(1), gate_up, out);
  });
}

template <>
void swiglu_backward_kernel<Device::cuda>(Context& context, const TensorView& gate_up,
                                          const TensorView& dout, const TensorView& dgate_up) {
  dispatch_float(dout.dtype(), [&](auto type) {
    using T = decltype(type);
    const Backward<T> work = {gate_up.data<T>(), gate_up.stride(0),  dout.data<T>(),
                              dout.stride(0),    dgate_up.data<T>(), dgate_up.stride(0),
                              dout.dim(1)};
    for_elements(context, "swiglu_backward", work, dout.elements(), dout.dim(1), gate_up, dout,
                 dgate_up);
  });
}

}  // namespace memlong::ops
