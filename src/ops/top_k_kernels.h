// Device kernels of top_k.h.
#pragma once

#include <vector>

#include "ops/top_k.h"

namespace memlong::ops {

template <Device D>
std::vector<Scored> top_k_kernel(Context& context, const TensorView& x, int64_t k);

template <>
std::vector<Scored> top_k_kernel<Device::cpu>(Context& context, const TensorView& x, int64_t k);

template <>
std::vector<Scored> top_k_kernel<Device::cuda>(Context& context, const TensorView& x, int64_t k);

}  // namespace memlong::ops
