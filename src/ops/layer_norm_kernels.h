// Device kernels of layer_norm.h.
#pragma once

#include "ops/layer_norm.h"

namespace memlong::ops {

template <Device D>
void layer_norm_kernel(Context& context, const LayerNormArgs& args);

template <>
void layer_norm_kernel<Device::cpu>(Context& context, const LayerNormArgs& args);

template <>
void layer_norm_kernel<Device::cuda>(Context& context, const LayerNormArgs& args);

}  // namespace memlong::ops
