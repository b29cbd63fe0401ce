// Device kernels of zero.h.
#pragma once

#include "ops/zero.h"

namespace memlong::ops {

template <Device D>
void zero_kernel(Context& context, const TensorView& x);

template <>
void zero_kernel<Device::cpu>(Context& context, const TensorView& x);

template <>
void zero_kernel<Device::cuda>(Context& context, const TensorView& x);

}  // namespace memlong::ops
