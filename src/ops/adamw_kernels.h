// Device kernels of adamw.h.
#pragma once

#include "ops/adamw.h"

namespace memlong::ops {

template <Device D>
void adamw_kernel(Context& context, const TensorView& value, const TensorView& gradient,
                  const TensorView& m, const TensorView& v, const AdamWOptions& options);
template <Device D>
double square_sum_kernel(Context& context, const TensorView& x);

template <>
void adamw_kernel<Device::cpu>(Context& context, const TensorView& value,
                               const TensorView& gradient, const TensorView& m, const TensorView& v,
                               const AdamWOptions& options);
template <>
double square_sum_kernel<Device::cpu>(Context& context, const TensorView& x);

}  // namespace memlong::ops
