// Device kernels of muon.h: what stands between its products. All contiguous.
#pragma once

#include "ops/muon.h"

namespace memlong::ops {

/// u = momentum u + scale g; d = scale g + momentum u (nesterov), else u. All f32.
template <Device D>
void muon_momentum_kernel(Context& context, const TensorView& gradient, const TensorView& u,
                          const TensorView& d, const MuonOptions& options);
/// low = bf16(scale x); x = factor scale x. x f32.
template <Device D>
void muon_round_kernel(Context& context, const TensorView& x, const TensorView& low, float scale,
                       float factor);
/// low = bf16(b low + c square). square f32.
template <Device D>
void muon_combine_kernel(Context& context, const TensorView& low, const TensorView& square, float b,
                         float c);
/// value = keep value - rate x. f32.
template <Device D>
void muon_apply_kernel(Context& context, const TensorView& value, const TensorView& x, float keep,
                       float rate);

template <>
void muon_momentum_kernel<Device::cpu>(Context& context, const TensorView& gradient,
                                       const TensorView& u, const TensorView& d,
                                       const MuonOptions& options);
template <>
void muon_round_kernel<Device::cpu>(Context& context, const TensorView& x, const TensorView& low,
                                    float scale, float factor);
template <>
void muon_combine_kernel<Device::cpu>(Context& context, const TensorView& low,
                                      const TensorView& square, float b, float c);
template <>
void muon_apply_kernel<Device::cpu>(Context& context, const TensorView& value, const TensorView& x,
                                    float keep, float rate);

template <>
void muon_momentum_kernel<Device::cuda>(Context& context, const TensorView& gradient,
                                        const TensorView& u, const TensorView& d,
                                        const MuonOptions& options);
template <>
void muon_round_kernel<Device::cuda>(Context& context, const TensorView& x, const TensorView& low,
                                     float scale, float factor);
template <>
void muon_combine_kernel<Device::cuda>(Context& context, const TensorView& low,
                                       const TensorView& square, float b, float c);
template <>
void muon_apply_kernel<Device::cuda>(Context& context, const TensorView& value, const TensorView& x,
                                     float keep, float rate);

}  // namespace memlong::ops
