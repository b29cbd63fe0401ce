#include "ops/adamw.h"

#include <cmath>

#include "ops/adamw_kernels.h"
#include "ops/checks.h"
#include "ops/dispatch.h"

namespace memlong::ops {
namespace {

void check_flat(const Context& context, const TensorView& x, const char* name) {
  check_dtype(x, DType::f32, name);
  MEMLONG_CHECK(x.contiguous(), std::string(name) + " is not contiguous");
  check_device(context, x, name);
}

}  // namespace

AdamWFactors adamw_factors(const AdamWOptions& o) {
  const auto step = static_cast<double>(o.step);
  const double correction1 = 1.0 - std::pow(static_cast<double>(o.beta1), step);
  const double correction2 = 1.0 - std::pow(static_cast<double>(o.beta2), step);
  return {.gradient = o.gradient_scale,
          .beta1 = o.beta1,
          .beta2 = o.beta2,
          .rest1 = 1.0F - o.beta1,
          .rest2 = 1.0F - o.beta2,
          .keep = 1.0F - o.lr * o.weight_decay,
          .rate = static_cast<float>(o.lr / correction1),
          .root = static_cast<float>(1.0 / std::sqrt(correction2)),
          .eps = o.eps};
}

void adamw(Context& context, const TensorView& value, const TensorView& gradient,
           const TensorView& m, const TensorView& v, const AdamWOptions& options) {
  check_flat(context, value, "adamw value");
  check_flat(context, gradient, "adamw gradient");
  check_flat(context, m, "adamw m");
  check_flat(context, v, "adamw v");
  check_shape(gradient, value.shape(), "adamw gradient");
  check_shape(m, value.shape(), "adamw m");
  check_shape(v, value.shape(), "adamw v");
  MEMLONG_CHECK(options.step >= 1, "adamw counts steps from 1");
  if (value.empty()) return;
  dispatch(context.device(), [&](auto tag) {
    adamw_kernel<decltype(tag)::kDevice>(context, value, gradient, m, v, options);
  });
}

double square_sum(Context& context, const TensorView& x) {
  return square_sum(context, std::span(&x, 1));
}

double square_sum(Context& context, std::span<const TensorView> xs) {
  for (const TensorView& x : xs) check_flat(context, x, "square_sum x");
  double sum = 0.0;
  dispatch(context.device(),
           [&](auto tag) { sum = square_sum_kernel<decltype(tag)::kDevice>(context, xs); });
  return sum;
}

}  // namespace memlong::ops
