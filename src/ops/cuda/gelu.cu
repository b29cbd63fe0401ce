#include "ops/cuda/elements.cuh"
#include "ops/dispatch.h"
#include "ops/gelu_kernels.h"

namespace memlong::ops {
namespace {

/// Element i of out is column i % columns of row i / columns.
template <class T>
struct Gelu {
  const T* x;
  int64_t x_stride;
  T* out;
  int64_t out_stride;
  int64_t columns;

  template <int N>
  __device__ void at(int64_t i) const {
    const int64_t row = i / columns;
    const int64_t column = i - row * columns;
    float value[N];
    device::load_floats(x + row * x_stride + column, value);
#pragma unroll
    for (int j = 0; j < N; ++j) {
      // x / 2 erfc(-x / sqrt(2)), which is 0 for what is far below: -inf times 0 is not.
      if (value[j] < -14.0F) {
        value[j] = 0.0F;
      } else {
        value[j] *= 0.5F * erfcf(-0.707106781F * value[j]);
      }
    }
    device::store_floats(out + row * out_stride + column, value);
  }
};

}  // namespace

template <>
void gelu_kernel<Device::cuda>(Context& context, const TensorView& x, const TensorView& out) {
  dispatch_float(x.dtype(), [&](auto type) {
    using T = decltype(type);
    const Gelu<T> work = {x.data<T>(), x.stride(0), out.data<T>(), out.stride(0), x.dim(1)};
    for_elements(context, "gelu", work, x.elements(), x.dim(1), x, out);
  });
}

}  // namespace memlong::ops
