// Device kernels of cross_entropy.h.
#pragma once

#include "ops/cross_entropy.h"

namespace memlong::ops {

template <Device D>
void cross_entropy_kernel(Context& context, const CrossEntropyArgs& args);

template <>
void cross_entropy_kernel<Device::cpu>(Context& context, const CrossEntropyArgs& args);

template <>
void cross_entropy_kernel<Device::cuda>(Context& context, const CrossEntropyArgs& args);

}  // namespace memlong::ops
