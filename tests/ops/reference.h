// What the op tests share: random tensors and naive references in double precision.
#pragma once

#include <cmath>
#include <cstdint>
#include <random>
#include <vector>

#include <gtest/gtest.h>

#include "ops/copy.h"
#include "tensor/context.h"
#include "tensor/tensor.h"

/// oneDNN's kernels before AVX-512 cut what they multiply by the number of threads.
#define MEMLONG_SKIP_BEFORE_AVX512()      \
  if (!__builtin_cpu_supports("avx512f")) \
  GTEST_SKIP() << "SKIPPED: before AVX-512 a product's last bits depend on the number of threads"

namespace memlong::ops::reference {

/// A contiguous tensor of normal numbers, rounded to `dtype`.
inline Tensor random_tensor(const Shape& shape, DType dtype, uint32_t seed, float scale = 1.0F) {
  std::mt19937 generator(seed);
  std::normal_distribution<float> normal(0.0F, scale);
  Tensor tensor(shape, DType::f32);
  for (int64_t i = 0; i < shape.elements(); ++i) tensor.data<float>()[i] = normal(generator);
  if (dtype == DType::f32) return tensor;
  Context context;
  return convert(context, tensor, dtype);
}

/// The elements in row-major order.
inline std::vector<double> values(const TensorView& view) {
  Context context;
  const Tensor flat = convert(context, view, DType::f32);
  return {flat.data<float>(), flat.data<float>() + view.elements()};
}

/// |a - b| / |b|, Euclidean norms.
inline double relative_error(const std::vector<double>& a, const std::vector<double>& b) {
  double difference = 0.0;
  double norm = 0.0;
  for (size_t i = 0; i < b.size(); ++i) {
    difference += (a.at(i) - b[i]) * (a.at(i) - b[i]);
    norm += b[i] * b[i];
  }
  return std::sqrt(difference) / (norm > 0.0 ? std::sqrt(norm) : 1.0);
}

struct ProductTerms {
  bool rows = false;  ///< the weight is [K, N], not [N, K]
  TensorView bias;    ///< [N], or none
  TensorView before;  ///< [T, N], or none
};

/// x [T, K] times a weight + bias + before.
inline std::vector<double> product(const TensorView& x, const TensorView& weight,
                                   const ProductTerms& terms = {}) {
  const std::vector<double> a = values(x);
  const std::vector<double> b = values(weight);
  const auto depth = static_cast<size_t>(x.dim(1));
  const auto columns = static_cast<size_t>(weight.dim(terms.rows ? 1 : 0));
  std::vector<double> out(static_cast<size_t>(x.dim(0)) * columns);
  if (!terms.before.empty()) out = values(terms.before);
  const std::vector<double> bias =
      terms.bias.empty() ? std::vector<double>(columns) : values(terms.bias);
  for (size_t i = 0; i < out.size(); ++i) {
    const size_t t = i / columns;
    const size_t n = i % columns;
    out[i] += bias[n];
    for (size_t k = 0; k < depth; ++k) {
      out[i] += a[t * depth + k] * b[terms.rows ? k * columns + n : n * depth + k];
    }
  }
  return out;
}

inline double tolerance(DType dtype) { return dtype == DType::f32 ? 1e-5 : 2e-2; }

}  // namespace memlong::ops::reference
