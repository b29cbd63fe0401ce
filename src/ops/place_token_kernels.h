// Device kernels of place_token.h.
#pragma once

#include "ops/place_token.h"

namespace memlong::ops {

template <Device D>
void place_token_kernel(Context& context, const RopeTable& table, const TokenPlaces& token);

template <>
void place_token_kernel<Device::cpu>(Context& context, const RopeTable& table,
                                     const TokenPlaces& token);

template <>
void place_token_kernel<Device::cuda>(Context& context, const RopeTable& table,
                                      const TokenPlaces& token);

}  // namespace memlong::ops
