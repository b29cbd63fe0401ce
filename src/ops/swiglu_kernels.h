// Device kernels of swiglu.h.
#pragma once

#include "tensor/context.h"
#include "tensor/tensor.h"

namespace memlong::ops {

template <Device D>
void swiglu_kernel(Context& context, const TensorView& gate_up, const TensorView& out);

template <>
void swiglu_kernel<Device::cpu>(Context& context, const TensorView& gate_up, const TensorView& out);

}  // namespace memlong::ops
