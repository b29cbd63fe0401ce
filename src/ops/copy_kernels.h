// Device kernels of copy.h.
#pragma once

#include <span>

#include "ops/copy.h"

namespace memlong::ops {

template <Device D>
void copy_kernel(Context& context, const TensorView& x, const TensorView& out);
/// None of the pairs is empty.
template <Device D>
void copy_pairs_kernel(Context& context, std::span<const CopyPair> pairs);

template <>
void copy_kernel<Device::cpu>(Context& context, const TensorView& x, const TensorView& out);
template <>
void copy_pairs_kernel<Device::cpu>(Context& context, std::span<const CopyPair> pairs);

template <>
void copy_kernel<Device::cuda>(Context& context, const TensorView& x, const TensorView& out);
template <>
void copy_pairs_kernel<Device::cuda>(Context& context, std::span<const CopyPair> pairs);

}  // namespace memlong::ops
