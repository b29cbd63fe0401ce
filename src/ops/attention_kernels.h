// Device kernels of attention.h.
#pragma once

#include <span>

#include "ops/attention.h"

namespace memlong::ops {

template <Device D>
void attention_kernel(Context& context, std::span<const AttentionArgs> calls);
template <Device D>
void attention_memory_mass_kernel(Context& context, const TensorView& q, const TensorView& k_mem,
                                  const TensorView& lse, float scale, const TensorView& mass);
template <Device D>
void attention_backward_kernel(Context& context, std::span<const AttentionBackwardArgs> calls);

template <>
void attention_kernel<Device::cpu>(Context& context, std::span<const AttentionArgs> calls);
template <>
void attention_memory_mass_kernel<Device::cpu>(Context& context, const TensorView& q,
                                               const TensorView& k_mem, const TensorView& lse,
                                               float scale, const TensorView& mass);

template <>
void attention_kernel<Device::cuda>(Context& context, std::span<const AttentionArgs> calls);
template <>
void attention_memory_mass_kernel<Device::cuda>(Context& context, const TensorView& q,
                                                const TensorView& k_mem, const TensorView& lse,
                                                float scale, const TensorView& mass);
template <>
void attention_backward_kernel<Device::cuda>(Context& context,
                                             std::span<const AttentionBackwardArgs> calls);

}  // namespace memlong::ops
