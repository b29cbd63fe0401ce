#include "ops/rms_norm.h"

#include <cmath>

#include <gtest/gtest.h>

#include "common/error.h"
#include "ops/reference.h"

namespace memlong::ops {
namespace {

using reference::random_tensor;
using reference::relative_error;
using reference::values;

std::vector<double> expected_norm(const TensorView& x, const TensorView& weight, double eps) {
  std::vector<double> out = values(x);
  const std::vector<double> scale = values(weight);
  const size_t columns = scale.size();
  for (size_t row = 0; row < out.size(); row += columns) {
    double sum = 0.0;
    for (size_t c = 0; c < columns; ++c) sum += out[row + c] * out[row + c];
    const double root = std::sqrt(sum / static_cast<double>(columns) + eps);
    for (size_t c = 0; c < columns; ++c) out[row + c] *= scale[c] / root;
  }
  return out;
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

}  // namespace
}  // namespace memlong::ops
