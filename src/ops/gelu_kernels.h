// Device kernels of gelu.h.
#pragma once

#include "tensor/context.h"
#include "tensor/tensor.h"

namespace memlong::ops {

template <Device D>
void gelu_kernel(Context& context, const TensorView& x, const TensorView& out);

template <>
void gelu_kernel<Device::cpu>(Context& context, const TensorView& x, const TensorView& out);

template <>
void gelu_kernel<Device::cuda>(Context& context, const TensorView& x, const TensorView& out);

}  // namespace memlong::ops
