// Device kernels of column_sum.h.
#pragma once

#include "tensor/context.h"
#include "tensor/tensor.h"

namespace memlong::ops {

template <Device D>
void column_sum_kernel(Context& context, const TensorView& x, const TensorView& out);

template <>
void column_sum_kernel<Device::cpu>(Context& context, const TensorView& x, const TensorView& out);

template <>
void column_sum_kernel<Device::cuda>(Context& context, const TensorView& x, const TensorView& out);

}  // namespace memlong::ops
