#include "ops/rms_norm.h"

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
using reference::sum;
using reference::values;

std::vector<double> norm(std::vector<double> out, const std::vector<double>& scale, double eps) {
  const size_t columns = scale.size();
  for (size_t row = 0; row < out.size(); row += columns) {
    double squares = 0.0;
    for (size_t c = 0; c < columns; ++c) squares += out[row + c] * out[row + c];
    const double root = std::sqrt(squares / static_cast<double>(columns) + eps);
    for (size_t c = 0; c < columns; ++c) out[row + c] *= scale[c] / root;
  }
  return out;
}

std::vector<double> expected_norm(const TensorView& x, const TensorView& weight, double eps) {
  return norm(values(x), values(weight), eps);
}

TEST(RmsNorm, KnownValues) {
  Context context;
  Tensor x({1, 4}, DType::f32);
  Tensor weight({4}, DType::f32);
  for (int i = 0; i < 4; ++i) {
    x.data<float>()[i] = i < 2 ? 3.0F : -1.0F;  // mean square 5
    weight.data<float>()[i] = static_cast<float>(i);
  }
  const Tensor out({1, 4}, DType::f32);
  rms_norm(context, x, weight, 4.0F, out);  // sqrt(5 + 4) = 3
  EXPECT_FLOAT_EQ(out.data<float>()[0], 0.0F);
  EXPECT_FLOAT_EQ(out.data<float>()[1], 1.0F);
  EXPECT_FLOAT_EQ(out.data<float>()[2], -2.0F / 3.0F);
  EXPECT_FLOAT_EQ(out.data<float>()[3], -1.0F);
}

TEST(RmsNorm, EveryPairOfTypesAndManySizes) {
  Context context;
  for (const DType in : {DType::f32, DType::bf16}) {
    for (const DType to : {DType::f32, DType::bf16}) {
      for (const int64_t columns : {1, 20, 64, 3200}) {
        const Tensor x = random_tensor({33, columns}, in, 1);
        const Tensor weight = random_tensor({columns}, DType::f32, 2);
        const Tensor out({33, columns}, to);
        rms_norm(context, x, weight, 1e-5F, out);
        EXPECT_LT(relative_error(values(out), expected_norm(x, weight, 1e-5)),
                  to == DType::f32 ? 1e-6 : 4e-3)
            << columns;
      }
    }
  }
}

TEST(RmsNorm, InPlaceAndStrided) {
  Context context;
  const Tensor wide = random_tensor({5, 64}, DType::f32, 3);
  const TensorView x = wide.view().slice(1, 16, 48);
  const Tensor weight = random_tensor({32}, DType::f32, 4);
  const std::vector<double> expected = expected_norm(x, weight, 1e-6);
  const float outside = wide.data<float>()[48];
  rms_norm(context, x, weight, 1e-6F, x);
  EXPECT_LT(relative_error(values(x), expected), 1e-6);
  EXPECT_EQ(wide.data<float>()[48], outside);
}

TEST(RmsNorm, RefusesAnotherShape) {
  Context context;
  const Tensor x({2, 4}, DType::f32);
  EXPECT_THROW(rms_norm(context, x, Tensor({5}, DType::f32), 1e-5F, x), Error);
}

double gradient_bound(DType dtype) { return dtype == DType::f32 ? 1e-5 : 3e-2; }

TEST(RmsNormBackward, MatchesDifferences) {
  Context context;
  for (const DType in : {DType::f32, DType::bf16}) {
    for (const DType grad : {DType::f32, DType::bf16}) {
      for (const int64_t columns : {1, 20, 48}) {
        const Tensor x = random_tensor({4, columns}, in, 1);
        const Tensor weight = random_tensor({columns}, DType::f32, 2);
        const Tensor dout = random_tensor({4, columns}, grad, 3);
        const Tensor dx = random_tensor({4, columns}, DType::f32, 4);
        const Tensor dweight = random_tensor({columns}, DType::f32, 5);
        const std::vector<double> w = values(weight);
        const auto of_x =
            slopes(values(x), values(dout), [&](const auto& moved) { return norm(moved, w, 0.1); });
        const auto of_weight =
            slopes(w, values(dout), [&](const auto& moved) { return norm(values(x), moved, 0.1); });
        const auto x_expected = sum(of_x, values(dx));
        const auto weight_expected = sum(of_weight, values(dweight));
        rms_norm_backward(context, x, weight, 0.1F, dout, dx, dweight);
        EXPECT_LT(relative_error(values(dx), x_expected), gradient_bound(in)) << columns;
        EXPECT_LT(relative_error(values(dweight), weight_expected), gradient_bound(in)) << columns;
      }
    }
  }
}

TEST(RmsNormBackward, StridedAndWithoutWeight) {
  Context context;
  const Tensor wide_x = random_tensor({5, 70}, DType::bf16, 6);
  const Tensor wide_dout = random_tensor({5, 60}, DType::f32, 7);
  const Tensor wide_dx = random_tensor({5, 50}, DType::f32, 8);
  const Tensor weight = random_tensor({40}, DType::f32, 9);
  const TensorView x = wide_x.view().slice(1, 10, 50);
  const TensorView dout = wide_dout.view().slice(1, 20, 60);
  const TensorView dx = wide_dx.view().slice(1, 5, 45);
  const auto expected =
      sum(slopes(values(x), values(dout),
                 [&](const auto& moved) { return norm(moved, values(weight), 1e-3); }),
          values(dx));
  const std::vector<double> before = values(wide_dx);
  rms_norm_backward(context, x, weight, 1e-3F, dout, dx, {});
  EXPECT_LT(relative_error(values(dx), expected), 1e-5);
  for (size_t i = 0; i < before.size(); ++i) {
    if (i % 50 < 5 || i % 50 >= 45) {
      EXPECT_EQ(values(wide_dx)[i], before[i]);
    }
  }
}

TEST(RmsNormBackward, ThreadsDoNotChangeABit) {
  const Tensor x = random_tensor({333, 72}, DType::bf16, 10);
  const Tensor dout = random_tensor({333, 72}, DType::f32, 11);
  const Tensor weight = random_tensor({72}, DType::f32, 12);
  std::vector<double> first;
  for (const int threads : {1, 2, 3}) {
    Context context({.threads = threads});
    const Tensor dx = Tensor::zeros({333, 72}, DType::f32);
    const Tensor dweight = random_tensor({72}, DType::f32, 13);
    rms_norm_backward(context, x, weight, 1e-5F, dout, dx, dweight);
    if (first.empty()) first = values(dweight);
    EXPECT_EQ(values(dweight), first) << threads;
  }
}

TEST(RmsNormBackward, NoRowsAndWrongShapes) {
  Context context;
  const Tensor none({0, 4}, DType::f32);
  const Tensor weight = random_tensor({4}, DType::f32, 14);
  const Tensor dweight = Tensor::zeros({4}, DType::f32);
  rms_norm_backward(context, none, weight, 1e-5F, none, none, dweight);
  EXPECT_EQ(values(dweight), std::vector<double>(4, 0.0));
  const Tensor x = random_tensor({2, 4}, DType::f32, 15);
  EXPECT_THROW(rms_norm_backward(context, x, weight, 1e-5F, none, x, dweight), Error);
  EXPECT_THROW(
      rms_norm_backward(context, x, weight, 1e-5F, x, Tensor({2, 4}, DType::bf16), dweight), Error);
}

}  // namespace
}  // namespace memlong::ops
