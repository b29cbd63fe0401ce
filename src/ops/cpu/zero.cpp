#include <cstring>

#include "ops/zero_kernels.h"

namespace memlong::ops {

template <>
void zero_kernel<Device::cpu>(Context& /*context*/, const TensorView& x) {
  std::memset(x.raw(), 0, x.bytes());
}

}  // namespace memlong::ops
