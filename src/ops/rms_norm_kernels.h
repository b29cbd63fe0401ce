// Device kernels of rms_norm.h.
#pragma once

#include "tensor/context.h"
#include "tensor/tensor.h"

namespace memlong::ops {

template <Device D>
void rms_norm_kernel(Context& context, const TensorView& x, const TensorView& weight, float eps,
                     const TensorView& out);
template <Device D>
void rms_norm_backward_kernel(Context& context, const TensorView& x, const TensorView& weight,
                              float eps, const TensorView& dout, const TensorView& dx,
                              const TensorView& dweight);

template <>
void rms_norm_kernel<Device::cpu>(Context& context, const TensorView& x, const TensorView& weight,
                                  float eps, const TensorView& out);
template <>
void rms_norm_backward_kernel<Device::cpu>(Context& context, const TensorView& x,
                                           const TensorView& weight, float eps,
                                           const TensorView& dout, const TensorView& dx,
                                           const TensorView& dweight);

template <>
void rms_norm_kernel<Device::cuda>(Context& context, const TensorView& x, const TensorView& weight,
                                   float eps, const TensorView& out);
template <>
void rms_norm_backward_kernel<Device::cuda>(Context& context, const TensorView& x,
                                            const TensorView& weight, float eps,
                                            const TensorView& dout, const TensorView& dx,
                                            const TensorView& dweight);

}  // namespace memlong::ops
