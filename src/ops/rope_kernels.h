// Device kernels of rope.h.
#pragma once

#include <span>

#include "ops/rope.h"

namespace memlong::ops {

enum class Turn : uint8_t { forward, back };

template <Device D>
void rope_kernel(Context& context, const TensorView& x, const RopeTable& table,
                 std::span<const RopeRows> sequences, const TensorView& out, Turn turn);

template <>
void rope_kernel<Device::cpu>(Context& context, const TensorView& x, const RopeTable& table,
                              std::span<const RopeRows> sequences, const TensorView& out,
                              Turn turn);

template <>
void rope_kernel<Device::cuda>(Context& context, const TensorView& x, const RopeTable& table,
                               std::span<const RopeRows> sequences, const TensorView& out,
                               Turn turn);

}  // namespace memlong::ops
