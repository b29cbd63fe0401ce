#include "ops/swiglu.h"

#include <cmath>

#include <gtest/gtest.h>

#include "common/error.h"
#include "ops/gradient.h"
#include "ops/reference.h"

namespace memlong::ops {
namespace {

using reference::random_tensor;
using reference::relative_error;
using reference::slopes;
using reference::values;

TEST(Swiglu, MatchesDoublePrecision) {
  Context context;
  for (const DType dtype : {DType::f32, DType::bf16}) {
    for (const int64_t width : {1, 16, 176, 1000}) {
      const Tensor x = random_tensor({9, 2 * width}, dtype, 1, 3.0F);
      const Tensor out({9, width}, dtype);
      swiglu(context, x, out);
      const std::vector<double> in = values(x);
      std::vector<double> expected;
      for (int64_t t = 0; t < 9; ++t) {
        for (int64_t f = 0; f < width; ++f) {
          const double z = in[static_cast<size_t>(t * 2 * width + f)];
          const double up = in[static_cast<size_t>(t * 2 * width + width + f)];
          expected.push_back(z / (1.0 + std::exp(-z)) * up);
        }
      }
      EXPECT_LT(relative_error(values(out), expected), dtype == DType::f32 ? 1e-6 : 4e-3);
    }
  }
}

TEST(Swiglu, ExtremeGates) {
  Context context;
  const float gates[] = {0.0F, 200.0F, -200.0F, 1e30F, -1e30F, -87.0F, 88.5F};
  constexpr int64_t kCount = 7;
  const Tensor x({1, 2 * kCount}, DType::f32);
  for (int64_t i = 0; i < kCount; ++i) {
    x.data<float>()[i] = gates[i];
    x.data<float>()[kCount + i] = 1.0F;
  }
  const Tensor out({1, kCount}, DType::f32);
  swiglu(context, x, out);
  const float* y = out.data<float>();
  EXPECT_EQ(y[0], 0.0F);
  EXPECT_FLOAT_EQ(y[1], 200.0F);
  EXPECT_NEAR(y[2], 0.0F, 1e-30F);
  EXPECT_FLOAT_EQ(y[3], 1e30F);
  EXPECT_NEAR(y[4], 0.0F, 1e-7F);
  EXPECT_NEAR(y[5], 0.0F, 1e-30F);
  EXPECT_FLOAT_EQ(y[6], 88.5F);
}

TEST(Swiglu, RefusesAnotherShape) {
  Context context;
  EXPECT_THROW(swiglu(context, Tensor({2, 9}, DType::f32), Tensor({2, 4}, DType::f32)), Error);
}

std::vector<double> gated(const std::vector<double>& x, size_t width) {
  std::vector<double> out;
  for (size_t row = 0; row < x.size(); row += 2 * width) {
    for (size_t f = 0; f < width; ++f) {
      out.push_back(x[row + f] / (1.0 + std::exp(-x[row + f])) * x[row + width + f]);
    }
  }
  return out;
}

TEST(SwigluBackward, MatchesDifferencesInPlaceToo) {
  Context context;
  for (const DType dtype : {DType::f32, DType::bf16}) {
    for (const int64_t width : {1, 16, 37}) {
      for (const int64_t rows : {1, 4}) {
        const Tensor x = random_tensor({rows, 2 * width}, dtype, 1, 3.0F);
        const Tensor dout = random_tensor({rows, width}, dtype, 2);
        const std::vector<double> expected =
            slopes(values(x), values(dout),
                   [&](const auto& moved) { return gated(moved, static_cast<size_t>(width)); });
        const Tensor dx({rows, 2 * width}, dtype);
        swiglu_backward(context, x, dout, dx);
        EXPECT_LT(relative_error(values(dx), expected), dtype == DType::f32 ? 1e-5 : 3e-2);
        swiglu_backward(context, x, dout, x);
        EXPECT_EQ(values(x), values(dx));
      }
    }
  }
}

TEST(SwigluBackward, Strided) {
  Context context({.threads = 2});
  const Tensor wide_x = random_tensor({300, 100}, DType::f32, 3);
  const Tensor wide_dout = random_tensor({300, 50}, DType::f32, 4);
  const Tensor wide_dx = random_tensor({300, 90}, DType::f32, 5);
  const TensorView x = wide_x.view().slice(1, 10, 90);
  const TensorView dout = wide_dout.view().slice(1, 5, 45);
  const std::vector<double> before = values(wide_dx);
  swiglu_backward(context, x, dout, wide_dx.view().slice(1, 5, 85));
  Context alone({.threads = 1});
  const Tensor dx({300, 80}, DType::f32);
  swiglu_backward(alone, Tensor::copy_of(x), Tensor::copy_of(dout), dx);
  EXPECT_EQ(values(wide_dx.view().slice(1, 5, 85)), values(dx));
  for (size_t i = 0; i < before.size(); ++i) {
    if (i % 90 < 5 || i % 90 >= 85) {
      ASSERT_EQ(wide_dx.data<float>()[i], static_cast<float>(before[i]));
    }
  }
}

TEST(SwigluBackward, ExtremeGates) {
  Context context;
  const float gates[] = {0.0F, 200.0F, -200.0F, 1e30F, -1e30F};
  constexpr int64_t kCount = 5;
  const Tensor x({1, 2 * kCount}, DType::f32);
  const Tensor dout({1, kCount}, DType::f32);
  for (int64_t i = 0; i < kCount; ++i) {
    x.data<float>()[i] = gates[i];
    x.data<float>()[kCount + i] = 2.0F;
    dout.data<float>()[i] = 1.0F;
  }
  swiglu_backward(context, x, dout, x);
  const float* d = x.data<float>();
  EXPECT_FLOAT_EQ(d[0], 1.0F);  // 2 sigmoid(0)
  EXPECT_FLOAT_EQ(d[1], 2.0F);
  EXPECT_NEAR(d[2], 0.0F, 1e-30F);
  EXPECT_FLOAT_EQ(d[3], 2.0F);
  EXPECT_NEAR(d[4], 0.0F, 1e-30F);
  EXPECT_FLOAT_EQ(d[kCount + 1], 200.0F);
  EXPECT_NEAR(d[kCount + 4], 0.0F, 1e-30F);
}

TEST(SwigluBackward, NoRowsAndWrongShapes) {
  Context context;
  EXPECT_NO_THROW(swiglu_backward(context, Tensor({0, 8}, DType::f32), Tensor({0, 4}, DType::f32),
                                  Tensor({0, 8}, DType::f32)));
  EXPECT_THROW(swiglu_backward(context, Tensor({2, 8}, DType::f32), Tensor({2, 4}, DType::bf16),
                               Tensor({2, 8}, DType::f32)),
               Error);
  EXPECT_THROW(swiglu_backward(context, Tensor({2, 8}, DType::f32), Tensor({2, 4}, DType::f32),
                               Tensor({2, 9}, DType::f32)),
               Error);
}

}  // namespace
}  // namespace memlong::ops
