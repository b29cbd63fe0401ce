#include "ops/layer_norm.h"

#include <cmath>

#include <gtest/gtest.h>

#include "common/error.h"
#include "ops/reference.h"

namespace memlong::ops {
namespace {

using reference::random_tensor;
using reference::relative_error;
using reference::values;

std::vector<double> norm(std::vector<double> z, const std::vector<double>& add,
                         const std::vector<double>& weight, const std::vector<double>& bias,
                         double eps) {
  const size_t columns = weight.size();
  for (size_t i = 0; i < add.size(); ++i) z[i] += add[i];
  for (size_t row = 0; row < z.size(); row += columns) {
    double mean = 0.0;
    double variance = 0.0;
    for (size_t c = 0; c < columns; ++c) mean += z[row + c] / static_cast<double>(columns);
    for (size_t c = 0; c < columns; ++c) {
      variance += (z[row + c] - mean) * (z[row + c] - mean) / static_cast<double>(columns);
    }
    for (size_t c = 0; c < columns; ++c) {
      z[row + c] = (z[row + c] - mean) / std::sqrt(variance + eps) * weight[c] + bias[c];
    }
  }
  return z;
}

TEST(LayerNorm, KnownValues) {
  Context context;
  const Tensor x({1, 4}, DType::f32);
  const Tensor weight({4}, DType::f32);
  const Tensor bias({4}, DType::f32);
  for (int i = 0; i < 4; ++i) {
    x.data<float>()[i] = i < 2 ? 13.0F : 7.0F;  // mean 10, variance 9
    weight.data<float>()[i] = static_cast<float>(i);
    bias.data<float>()[i] = 0.5F;
  }
  const Tensor out({1, 4}, DType::f32);
  layer_norm(context, {.x = x, .weight = weight, .bias = bias, .eps = 16.0F, .out = out});
  EXPECT_FLOAT_EQ(out.data<float>()[0], 0.5F);  // sqrt(9 + 16) = 5
  EXPECT_FLOAT_EQ(out.data<float>()[1], 3.0F / 5.0F + 0.5F);
  EXPECT_FLOAT_EQ(out.data<float>()[2], -6.0F / 5.0F + 0.5F);
  EXPECT_FLOAT_EQ(out.data<float>()[3], -9.0F / 5.0F + 0.5F);
}

TEST(LayerNorm, EveryPairOfTypesAndManySizes) {
  Context context;
  for (const DType in : {DType::f32, DType::bf16}) {
    for (const DType to : {DType::f32, DType::bf16}) {
      for (const int64_t columns : {2, 20, 64, 1024}) {
        const Tensor x = random_tensor({33, columns}, in, 1);
        const Tensor add = random_tensor({33, columns}, DType::f32, 2);
        const Tensor weight = random_tensor({columns}, DType::f32, 3);
        const Tensor bias = random_tensor({columns}, DType::f32, 4);
        const Tensor out({33, columns}, to);
        LayerNormArgs args{.x = x, .weight = weight, .bias = bias, .eps = 1e-3F, .out = out};
        const double most = to == DType::f32 ? 2e-6 : 4e-3;
        layer_norm(context, args);
        EXPECT_LT(
            relative_error(values(out), norm(values(x), {}, values(weight), values(bias), 1e-3)),
            most)
            << columns;
        args.add = add;
        layer_norm(context, args);
        EXPECT_LT(relative_error(values(out),
                                 norm(values(x), values(add), values(weight), values(bias), 1e-3)),
                  most)
            << columns;
      }
    }
  }
}

/// The mean is taken off before squares are summed.
TEST(LayerNorm, FarFromZero) {
  Context context;
  const Tensor x = random_tensor({3, 50}, DType::f32, 5);
  for (int i = 0; i < 150; ++i) x.data<float>()[i] += 1000.0F;
  const Tensor weight = random_tensor({50}, DType::f32, 6);
  const Tensor bias = random_tensor({50}, DType::f32, 7);
  const Tensor out({3, 50}, DType::f32);
  layer_norm(context, {.x = x, .weight = weight, .bias = bias, .out = out});
  EXPECT_LT(relative_error(values(out), norm(values(x), {}, values(weight), values(bias), 1e-12)),
            3e-4);
}

TEST(LayerNorm, InPlaceAndStrided) {
  Context context;
  const Tensor wide = random_tensor({5, 64}, DType::f32, 3);
  const TensorView x = wide.view().slice(1, 16, 37);
  const Tensor more = random_tensor({5, 40}, DType::f32, 8);
  const TensorView add = more.view().slice(1, 3, 24);
  const Tensor weight = random_tensor({21}, DType::f32, 4);
  const Tensor bias = random_tensor({21}, DType::f32, 5);
  const auto expected = norm(values(x), values(add), values(weight), values(bias), 1e-6);
  const float before = wide.data<float>()[15];
  const float behind = wide.data<float>()[37];
  layer_norm(context, {.x = x, .add = add, .weight = weight, .bias = bias, .eps = 1e-6F, .out = x});
  EXPECT_LT(relative_error(values(x), expected), 2e-6);
  EXPECT_EQ(wide.data<float>()[15], before);
  EXPECT_EQ(wide.data<float>()[37], behind);
}

TEST(LayerNorm, NoRowsAndWrongShapes) {
  Context context;
  const Tensor weight({8}, DType::f32);
  const Tensor none({0, 8}, DType::f32);
  EXPECT_NO_THROW(layer_norm(context, {.x = none, .weight = weight, .bias = weight, .out = none}));
  const Tensor x({2, 8}, DType::f32);
  const Tensor narrow({7}, DType::f32);
  EXPECT_THROW(layer_norm(context, {.x = x, .weight = weight, .bias = narrow, .out = x}), Error);
  EXPECT_THROW(
      layer_norm(context, {.x = x, .add = none, .weight = weight, .bias = weight, .out = x}),
      Error);
  EXPECT_THROW(layer_norm(context, {.x = x, .weight = weight, .bias = weight, .out = none}), Error);
}

}  // namespace
}  // namespace memlong::ops
