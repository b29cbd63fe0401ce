#include "ops/cuda/elements.cuh"
#include "ops/scale_kernels.h"

namespace memlong::ops {
namespace {

struct Scale {
  const float* x;
  float* out;
  float factor;

  template <int N>
  __device__ void at(int64_t i) const {
    float value[N];
    device::load_floats(x + i, value);
#pragma unroll
    for (int j = 0; j < N; ++j) value[j] *= factor;
    device::store_floats(out + i, value);
  }
};

}  // namespace

template <>
void scale_kernel<Device::cuda>(Context& context, const TensorView& x, float factor,
                                const TensorView& out) {
  const Scale work = {x.data<float>(), out.data<float>(), factor};
  for_flat(context, "scale", work, x, out);
}

}  // namespace memlong::ops
