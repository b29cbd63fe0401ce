// Device kernels of embedding.h.
#pragma once

#include <cstdint>
#include <span>

#include "tensor/context.h"
#include "tensor/tensor.h"

namespace memlong::ops {

template <Device D>
void embedding_kernel(Context& context, const TensorView& table, std::span<const int32_t> ids,
                      const TensorView& out);
template <Device D>
void embedding_of_view_kernel(Context& context, const TensorView& table, const TensorView& ids,
                              const TensorView& out);
template <Device D>
void embedding_backward_kernel(Context& context, std::span<const int32_t> ids,
                               const TensorView& dout, const TensorView& dtable);

template <>
void embedding_kernel<Device::cpu>(Context& context, const TensorView& table,
                                   std::span<const int32_t> ids, const TensorView& out);
template <>
void embedding_backward_kernel<Device::cpu>(Context& context, std::span<const int32_t> ids,
                                            const TensorView& dout, const TensorView& dtable);

template <>
void embedding_of_view_kernel<Device::cuda>(Context& context, const TensorView& table,
                                            const TensorView& ids, const TensorView& out);
template <>
void embedding_kernel<Device::cuda>(Context& context, const TensorView& table,
                                    std::span<const int32_t> ids, const TensorView& out);
template <>
void embedding_backward_kernel<Device::cuda>(Context& context, std::span<const int32_t> ids,
                                             const TensorView& dout, const TensorView& dtable);

}  // namespace memlong::ops
