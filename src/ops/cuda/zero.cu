#include "ops/zero_kernels.h"
#include "tensor/cuda/runtime.h"

namespace memlong::ops {

template <>
void zero_kernel<Device::cuda>(Context& context, const TensorView& x) {
  context.activate();
  cuda::check(cudaMemsetAsync(x.raw(), 0, x.bytes(), cuda::stream_of(context)), "zeros");
}

}  // namespace memlong::ops
