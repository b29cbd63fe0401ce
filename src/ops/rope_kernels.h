// Device kernels of rope.h.
#pragma once

#include "ops/rope.h"

namespace memlong::ops {

template <Device D>
void rope_kernel(Context& context, const TensorView& x, const RopeTable& table, int64_t start,
                 const TensorView& out);

template <>
void rope_kernel<Device::cpu>(Context& context, const TensorView& x, const RopeTable& table,
                              int64_t start, const TensorView& out);

}  // namespace memlong::ops
