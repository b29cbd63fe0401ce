// Device kernels of gemm.h.
#pragma once

#include "ops/gemm.h"

namespace memlong::ops {

/// out is not empty; the depth may be 0 where nothing is accumulated.
template <Device D>
void gemm_kernel(Context& context, const TensorView& a, const TensorView& b, const TensorView& out,
                 const GemmOptions& options);

template <>
void gemm_kernel<Device::cpu>(Context& context, const TensorView& a, const TensorView& b,
                              const TensorView& out, const GemmOptions& options);

template <>
void gemm_kernel<Device::cuda>(Context& context, const TensorView& a, const TensorView& b,
                               const TensorView& out, const GemmOptions& options);

/// Of GPUs: loads the library that multiplies there, if that is not done. Error{device}: it cannot
/// be loaded. Thread-safe. Only builds with CUDA define it.
void load_gemm_library();

}  // namespace memlong::ops
