// Device kernels of scale.h.
#pragma once

#include "ops/scale.h"

namespace memlong::ops {

template <Device D>
void scale_kernel(Context& context, const TensorView& x, float factor, const TensorView& out);

template <>
void scale_kernel<Device::cpu>(Context& context, const TensorView& x, float factor,
                               const TensorView& out);

template <>
void scale_kernel<Device::cuda>(Context& context, const TensorView& x, float factor,
                                const TensorView& out);

}  // namespace memlong::ops
