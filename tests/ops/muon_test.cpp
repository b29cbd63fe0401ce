#include "ops/muon.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include <gtest/gtest.h>

#include "common/error.h"
#include "ops/reference.h"

namespace memlong::ops {
namespace {

using reference::random_tensor;
using reference::relative_error;
using reference::values;

/// A matrix in double, for plain loops.
struct Matrix {
  int64_t rows = 0;
  int64_t columns = 0;
  std::vector<double> at;
  double &operator()(int64_t i, int64_t j) { return at[static_cast<size_t>(i * columns + j)]; }
  double operator()(int64_t i, int64_t j) const { return at[static_cast<size_t>(i * columns + j)]; }
};

Matrix zeros(int64_t rows, int64_t columns) {
  return {rows, columns, std::vector<double>(static_cast<size_t>(rows * columns))};
}

Matrix product(const Matrix &a, const Matrix &b) {
  Matrix out = zeros(a.rows, b.columns);
  for (int64_t i = 0; i < a.rows; ++i) {
    for (int64_t k = 0; k < a.columns; ++k) {
      for (int64_t j = 0; j < b.columns; ++j) out(i, j) += a(i, k) * b(k, j);
    }
  }
  return out;
}

Matrix transposed(const Matrix &a) {
  Matrix out = zeros(a.columns, a.rows);
  for (int64_t i = 0; i < a.rows; ++i) {
    for (int64_t j = 0; j < a.columns; ++j) out(j, i) = a(i, j);
  }
  return out;
}

/// The header's iteration, word for word.
Matrix plain_newton_schulz(Matrix x, int steps) {
  double norm = 0.0;
  for (const double value : x.at) norm += value * value;
  for (double &value : x.at) value /= std::sqrt(norm);
  for (int step = 0; step < steps; ++step) {
    const Matrix a = product(x, transposed(x));
    const Matrix aa = product(a, a);
    Matrix b = a;
    for (size_t i = 0; i < b.at.size(); ++i) b.at[i] = -4.7750 * a.at[i] + 2.0315 * aa.at[i];
    const Matrix bx = product(b, x);
    for (size_t i = 0; i < x.at.size(); ++i) x.at[i] = 3.4445 * x.at[i] + bx.at[i];
  }
  return x;
}

/// Smallest and largest singular value: Jacobi rotations of the smaller Gram
/// matrix.
std::pair<double, double> singular_range(const Matrix &x) {
  Matrix g = x.rows <= x.columns ? product(x, transposed(x)) : product(transposed(x), x);
  for (int sweep = 0; sweep < 12; ++sweep) {
    for (int64_t p = 0; p < g.rows; ++p) {
      for (int64_t q = p + 1; q < g.rows; ++q) {
        if (std::abs(g(p, q)) < 1e-14) continue;
        const double angle = 0.5 * std::atan2(2.0 * g(p, q), g(q, q) - g(p, p));
        const double c = std::cos(angle);
        const double s = std::sin(angle);
        for (int64_t k = 0; k < g.rows; ++k) {
          const double a = g(k, p);
          const double b = g(k, q);
          g(k, p) = c * a - s * b;
          g(k, q) = s * a + c * b;
        }
        for (int64_t k = 0; k < g.rows; ++k) {
          const double a = g(p, k);
          const double b = g(q, k);
          g(p, k) = c * a - s * b;
          g(q, k) = s * a + c * b;
        }
      }
    }
  }
  double low = g(0, 0);
  double high = g(0, 0);
  for (int64_t i = 0; i < g.rows; ++i) {
    low = std::min(low, g(i, i));
    high = std::max(high, g(i, i));
  }
  return {std::sqrt(std::max(low, 0.0)), std::sqrt(high)};
}

/// X of one step with a fresh momentum: what the value lost, over the factors
/// of the header.
Matrix orthogonal_part(Context &context, const Tensor &gradient) {
  const Tensor value = Tensor::zeros(gradient.shape(), DType::f32);
  const Tensor u = Tensor::zeros(gradient.shape(), DType::f32);
  muon(context, value, gradient, u, {.lr = 1.0F});
  const int64_t rows = gradient.dim(0);
  const int64_t columns = gradient.dim(1);
  Matrix x{rows, columns, values(value)};
  for (double &item : x.at) {
    item /= -0.2 * std::sqrt(static_cast<double>(std::max(rows, columns)));
  }
  return x;
}

TEST(Muon, UpdatesAreNearlyOrthogonal) {
  Context context;
  const std::vector<Shape> shapes = {{48, 96}, {96, 48}, {17, 80}, {100, 33}, {1, 40}, {40, 1}};
  for (const Shape &shape : shapes) {
    for (const float scale : {1e-6F, 1.0F, 1e4F}) {
      const Matrix x = orthogonal_part(context, random_tensor(shape, DType::f32, 5, scale));
      const auto [low, high] = singular_range(x);
      EXPECT_GT(low, 0.5) << shape.to_string();
      EXPECT_LT(high, 1.3) << shape.to_string();
    }
  }
}

/// Rounding to bf16 moves singular values by up to half a percent in a step,
/// and the polynomial's slope makes more of it: 2 % of the whole matrix, and
/// more where there are few of them.
TEST(Muon, MatchesTheFormulaInDouble) {
  Context context;
  const std::vector<std::pair<Shape, double>> cases = {
      {{32, 100}, 3e-2}, {{100, 32}, 3e-2}, {{64, 64}, 3e-2}, {{3, 5}, 0.1}, {{1, 1}, 3e-2}};
  for (const auto &[shape, tolerance] : cases) {
    const Tensor gradient = random_tensor(shape, DType::f32, 7);
    const Matrix expected = plain_newton_schulz({shape[0], shape[1], values(gradient)}, 5);
    const Matrix got = orthogonal_part(context, gradient);
    EXPECT_LT(relative_error(got.at, expected.at), tolerance) << shape.to_string();
  }
}

TEST(Muon, MomentumDecayAndScaleAreThoseOfTheHeader) {
  Context context;
  const Shape shape = {24, 40};
  for (const bool nesterov : {true, false}) {
    const MuonOptions options{.lr = 0.05F,
                              .momentum = 0.9F,
                              .nesterov = nesterov,
                              .weight_decay = 0.2F,
                              .gradient_scale = 0.5F};
    const Tensor value = random_tensor(shape, DType::f32, 8);
    const Tensor u = random_tensor(shape, DType::f32, 9);
    std::vector<double> expected = values(value);
    std::vector<double> momentum = values(u);
    for (uint32_t step = 0; step < 3; ++step) {
      const Tensor gradient = random_tensor(shape, DType::f32, 10 + step);
      const std::vector<double> g = values(gradient);
      Matrix d = zeros(shape[0], shape[1]);
      for (size_t i = 0; i < g.size(); ++i) {
        momentum[i] = 0.9 * momentum[i] + 0.5 * g[i];
        d.at[i] = nesterov ? 0.5 * g[i] + 0.9 * momentum[i] : momentum[i];
      }
      const Matrix x = plain_newton_schulz(d, 5);
      for (size_t i = 0; i < g.size(); ++i) {
        expected[i] -= 0.05 * (0.2 * std::sqrt(40.0) * x.at[i] + 0.2 * expected[i]);
      }
      muon(context, value, gradient, u, options);
    }
    EXPECT_LT(relative_error(values(u), momentum), 1e-6);
    EXPECT_LT(relative_error(values(value), expected), 2e-3);
  }
}

TEST(Muon, AZeroGradientChangesNothing) {
  Context context;
  const Tensor value = random_tensor({6, 9}, DType::f32, 11);
  const std::vector<double> before = values(value);
  const Tensor zero = Tensor::zeros({6, 9}, DType::f32);
  muon(context, value, zero, Tensor::zeros({6, 9}, DType::f32), {.lr = 1.0F});
  EXPECT_EQ(values(value), before);
}

TEST(Muon, DoesNotDependOnThreads) {
  MEMLONG_SKIP_BEFORE_AVX512();
  std::vector<std::vector<double>> results;
  for (const int threads : {1, 3}) {
    Context context({.threads = threads});
    results.push_back(orthogonal_part(context, random_tensor({96, 160}, DType::f32, 12)).at);
  }
  EXPECT_EQ(results[0], results[1]);
}

TEST(Muon, OperandsMustAgree) {
  Context context;
  const Tensor value = Tensor::zeros({4, 4}, DType::f32);
  EXPECT_THROW(muon(context, value, Tensor::zeros({4, 5}, DType::f32), value, {}), Error);
}

}  // namespace
}  // namespace memlong::ops
