// Device kernels of adamw.h.
#pragma once

#include <span>

#include "ops/adamw.h"

namespace memlong::ops {

/// The formula with its divisions by constants taken out of the loop:
///   g = gradient g;  m = beta1 m + rest1 g;  v = beta2 v + rest2 g^2
///   value = keep value - rate m / (sqrt(v) root + eps)
struct AdamWFactors {
  float gradient, beta1, beta2, rest1, rest2, keep, rate, root, eps;
};
AdamWFactors adamw_factors(const AdamWOptions& options);

template <Device D>
void adamw_kernel(Context& context, const TensorView& value, const TensorView& gradient,
                  const TensorView& m, const TensorView& v, const AdamWOptions& options);
template <Device D>
double square_sum_kernel(Context& context, std::span<const TensorView> xs);

template <>
void adamw_kernel<Device::cpu>(Context& context, const TensorView& value,
                               const TensorView& gradient, const TensorView& m, const TensorView& v,
                               const AdamWOptions& options);
template <>
double square_sum_kernel<Device::cpu>(Context& context, std::span<const TensorView> xs);

template <>
void adamw_kernel<Device::cuda>(Context& context, const TensorView& value,
                                const TensorView& gradient, const TensorView& m,
                                const TensorView& v, const AdamWOptions& options);
template <>
double square_sum_kernel<Device::cuda>(Context& context, std::span<const TensorView> xs);

}  // namespace memlong::ops
