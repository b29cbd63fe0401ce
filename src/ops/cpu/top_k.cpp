#include "ops/cpu/selection.h"
#include "ops/top_k_kernels.h"

namespace memlong::ops {

template <>
std::vector<Scored> top_k_kernel<Device::cpu>(Context& /*context*/, const TensorView& x,
                                              int64_t k) {
  return cpu::select_top({x.data<float>(), static_cast<size_t>(x.dim(0))}, k);
}

}  // namespace memlong::ops
