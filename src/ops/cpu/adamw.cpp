#include <algorithm>
#include <cmath>
#include <vector>

#include "ops/adamw_kernels.h"
#include "tensor/parallel.h"

namespace memlong::ops {
namespace {

/// Elements of one task. Fixed, so that sums do not depend on the number of threads.
constexpr int64_t kPiece = 16384;

void adamw_piece(const AdamWFactors& f, float* __restrict value, const float* __restrict gradient,
                 float* __restrict m, float* __restrict v, int64_t count) {
#pragma omp simd
  for (int64_t i = 0; i < count; ++i) {
    const float g = f.gradient * gradient[i];
    const float mean = f.beta1 * m[i] + f.rest1 * g;
    const float square = f.beta2 * v[i] + f.rest2 * (g * g);
    m[i] = mean;
    v[i] = square;
    value[i] = f.keep * value[i] - f.rate * mean / (std::sqrt(square) * f.root + f.eps);
  }
}

double square_sum_piece(const float* x, int64_t count) {
  double sum = 0.0;
#pragma omp simd reduction(+ : sum)
  for (int64_t i = 0; i < count; ++i) sum += static_cast<double>(x[i]) * static_cast<double>(x[i]);
  return sum;
}

double square_sum_of(Context& context, const TensorView& x) {
  const int64_t count = x.elements();
  const int64_t pieces = (count + kPiece - 1) / kPiece;
  const auto* from = x.data<float>();
  std::vector<double> sums(static_cast<size_t>(pieces));
  parallel_for(context, pieces, 0.2 * kPiece, [&](int64_t piece) {
    const int64_t at = piece * kPiece;
    sums[static_cast<size_t>(piece)] = square_sum_piece(from + at, std::min(kPiece, count - at));
  });
  double sum = 0.0;
  for (const double part : sums) sum += part;
  return sum;
}

}  // namespace

template <>
void adamw_kernel<Device::cpu>(Context& context, const TensorView& value,
                               const TensorView& gradient, const TensorView& m, const TensorView& v,
                               const AdamWOptions& options) {
  const AdamWFactors factors = adamw_factors(options);
  const int64_t count = value.elements();
  const int64_t pieces = (count + kPiece - 1) / kPiece;
  auto* to = value.data<float>();
  const auto* from = gradient.data<float>();
  auto* means = m.data<float>();
  auto* squares = v.data<float>();
  parallel_for(context, pieces, 0.8 * kPiece, [&](int64_t piece) {
    const int64_t at = piece * kPiece;
    adamw_piece(factors, to + at, from + at, means + at, squares + at,
                std::min(kPiece, count - at));
  });
}

template <>
double square_sum_kernel<Device::cpu>(Context& context, std::span<const TensorView> xs) {
  double sum = 0.0;
  for (const TensorView& x : xs) sum += square_sum_of(context, x);
  return sum;
}

}  // namespace memlong::ops
