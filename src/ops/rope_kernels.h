// Device kernels of rope.h.
#pragma once

#include "ops/rope.h"

namespace memlong::ops {

enum class Turn : uint8_t { forward, back };

template <Device D>
void rope_kernel(Context& context, const TensorView& x, const RopeTable& table, int64_t start,
                 const TensorView& out, Turn turn);

template <>
void rope_kernel<Device::cpu>(Context& context, const TensorView& x, const RopeTable& table,
                              int64_t start, const TensorView& out, Turn turn);

template <>
void rope_kernel<Device::cuda>(Context& context, const TensorView& x, const RopeTable& table,
                               int64_t start, const TensorView& out, Turn turn);

}  // namespace memlong::ops
