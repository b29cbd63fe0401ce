// Device kernels of swiglu.h.
#pragma once

#include "tensor/context.h"
#include "tensor/tensor.h"

namespace memlong::ops {

template <Device D>
void swiglu_kernel(Context& context, const TensorView& gate_up, const TensorView& out);
template <Device D>
void swiglu_backward_kernel(Context& context, const TensorView& gate_up, const TensorView& dout,
                            const TensorView& dgate_up);

template <>
void swiglu_kernel<Device::cpu>(Context& context, const TensorView& gate_up, const TensorView& out);
template <>
void swiglu_backward_kernel<Device::cpu>(Context& context, const TensorView& gate_up,
                                         const TensorView& dout, const TensorView& dgate_up);

template <>
void swiglu_kernel<Device::cuda>(Context& context, const TensorView& gate_up,
                                 const TensorView& out);
template <>
void swiglu_backward_kernel<Device::cuda>(Context& context, const TensorView& gate_up,
                                          const TensorView& dout, const TensorView& dgate_up);

}  // namespace memlong::ops
