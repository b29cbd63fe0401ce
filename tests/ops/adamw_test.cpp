#include "ops/adamw.h"

#include <cmath>
#include <limits>

#include <gtest/gtest.h>

#include "common/error.h"
#include "ops/reference.h"

namespace memlong::ops {
namespace {

using reference::random_tensor;
using reference::relative_error;
using reference::values;

struct State {
  Tensor value, gradient, m, v;
  explicit State(int64_t count)
      : value(random_tensor({count}, DType::f32, 1)),
        gradient(random_tensor({count}, DType::f32, 2)),
        m(Tensor::zeros({count}, DType::f32)),
        v(Tensor::zeros({count}, DType::f32)) {}
};

/// The formula of the header, word for word.
void plain_adamw(std::vector<double>& value, const std::vector<double>& gradient,
                 std::vector<double>& m, std::vector<double>& v, const AdamWOptions& o) {
  for (size_t i = 0; i < value.size(); ++i) {
    const double g = static_cast<double>(o.gradient_scale) * gradient[i];
    m[i] = o.beta1 * m[i] + (1.0 - o.beta1) * g;
    v[i] = o.beta2 * v[i] + (1.0 - o.beta2) * g * g;
    const double mean = m[i] / (1.0 - std::pow(static_cast<double>(o.beta1), o.step));
    const double square = v[i] / (1.0 - std::pow(static_cast<double>(o.beta2), o.step));
    value[i] -= o.lr * (mean / (std::sqrt(square) + o.eps) + o.weight_decay * value[i]);
  }
}

TEST(AdamW, MatchesDoublePrecisionOverManySteps) {
  Context context;
  for (const int64_t count : {1, 15, 1000, 40000}) {
    State state(count);
    std::vector<double> value = values(state.value);
    const std::vector<double> begin = value;
    std::vector<double> m = values(state.m);
    std::vector<double> v = values(state.v);
    AdamWOptions options{.lr = 0.01F, .eps = 1e-3F, .weight_decay = 0.1F, .gradient_scale = 0.25F};
    for (int step = 1; step <= 10; ++step) {
      options.step = step;
      state.gradient = random_tensor({count}, DType::f32, static_cast<uint32_t>(step + 2));
      adamw(context, state.value, state.gradient, state.m, state.v, options);
      plain_adamw(value, values(state.gradient), m, v, options);
    }
    EXPECT_LT(relative_error(values(state.value), value), 1e-6);
    EXPECT_LT(relative_error(values(state.m), m), 1e-6);
    EXPECT_LT(relative_error(values(state.v), v), 1e-6);
    EXPECT_GT(relative_error(begin, value), 0.01) << "the steps moved it";
  }
}

TEST(AdamW, TheFirstStepIsTheSignOfTheGradient) {
  Context context;
  State state(100);
  const std::vector<double> before = values(state.value);
  const std::vector<double> gradient = values(state.gradient);
  adamw(context, state.value, state.gradient, state.m, state.v, {.lr = 0.5F, .eps = 1e-12F});
  for (int64_t i = 0; i < 100; ++i) {
    const auto k = static_cast<size_t>(i);
    EXPECT_NEAR(state.value.data<float>()[i] - before[k], gradient[k] > 0.0 ? -0.5 : 0.5, 1e-5);
  }
}

TEST(AdamW, AZeroGradientOnlyDecays) {
  Context context;
  State state(50);
  const std::vector<double> before = values(state.value);
  const Tensor zero = Tensor::zeros({50}, DType::f32);
  adamw(context, state.value, zero, state.m, state.v, {.lr = 0.1F, .weight_decay = 0.5F});
  for (int64_t i = 0; i < 50; ++i) {
    EXPECT_NEAR(state.value.data<float>()[i], 0.95 * before[static_cast<size_t>(i)], 1e-6);
  }
}

TEST(AdamW, ShapesMustAgree) {
  Context context;
  State state(8);
  const Tensor longer = Tensor::zeros({9}, DType::f32);
  EXPECT_THROW(adamw(context, state.value, longer, state.m, state.v, {}), Error);
  EXPECT_THROW(adamw(context, state.value, state.gradient, state.m, state.v, {.step = 0}), Error);
}

TEST(SquareSum, MatchesAndDoesNotDependOnThreads) {
  Context one({.threads = 1});
  Context many({.threads = 5});
  for (const int64_t count : {1, 7, 16384, 100001}) {
    const Tensor x = random_tensor({count}, DType::f32, 3, 100.0F);
    double expected = 0.0;
    for (const double value : values(x)) expected += value * value;
    EXPECT_NEAR(square_sum(one, x) / expected, 1.0, 1e-12);
    EXPECT_EQ(square_sum(one, x), square_sum(many, x));
  }
  EXPECT_EQ(square_sum(one, Tensor({0}, DType::f32)), 0.0);
}

TEST(SquareSum, OfManyIsTheSumOfEach) {
  Context context;
  const Tensor a = random_tensor({16389}, DType::f32, 4);
  const Tensor b = random_tensor({3, 5}, DType::f32, 5, 100.0F);
  const std::vector<TensorView> xs = {a, b.view().slice(0, 1, 1), b};
  EXPECT_EQ(square_sum(context, xs), square_sum(context, a) + square_sum(context, b));
  EXPECT_EQ(square_sum(context, std::span(xs).first(0)), 0.0);
}

TEST(SquareSum, HoldsWhatF32CannotAndShowsNan) {
  Context context;
  const Tensor x = Tensor::zeros({20000}, DType::f32);
  x.data<float>()[3] = 1e30F;
  EXPECT_NEAR(square_sum(context, x) / 1e60, 1.0, 1e-6);
  x.data<float>()[19999] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_TRUE(std::isnan(square_sum(context, x)));
}

}  // namespace
}  // namespace memlong::ops
