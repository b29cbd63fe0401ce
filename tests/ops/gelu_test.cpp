#include "ops/gelu.h"

#include <cmath>

#include <gtest/gtest.h>

#include "common/error.h"
#include "ops/reference.h"

namespace memlong::ops {
namespace {

using reference::random_tensor;
using reference::relative_error;
using reference::values;

double exact(double x) { return 0.5 * x * std::erfc(-x / std::sqrt(2.0)); }

TEST(Gelu, MatchesDoublePrecision) {
  Context context;
  for (const DType dtype : {DType::f32, DType::bf16}) {
    for (const int64_t width : {1, 16, 176, 1000}) {
      const Tensor x = random_tensor({9, width}, dtype, 1, 3.0F);
      const Tensor out({9, width}, dtype);
      gelu(context, x, out);
      std::vector<double> expected = values(x);
      for (double& value : expected) value = exact(value);
      EXPECT_LT(relative_error(values(out), expected), dtype == DType::f32 ? 1e-6 : 4e-3);
    }
  }
}

TEST(Gelu, EveryPlaceOfTheCurve) {
  Context context;
  const Tensor x({1, 4001}, DType::f32);
  for (int i = 0; i < 4001; ++i) x.data<float>()[i] = static_cast<float>(i - 2000) / 100.0F;
  const Tensor out({1, 4001}, DType::f32);
  gelu(context, x, out);
  for (int i = 0; i < 4001; ++i) {
    const double at = static_cast<double>(x.data<float>()[i]);
    ASSERT_NEAR(static_cast<double>(out.data<float>()[i]), exact(at), 5e-7 * std::max(1.0, at))
        << at;
  }
}

TEST(Gelu, Extremes) {
  Context context;
  const float inputs[] = {0.0F, 1e30F, -1e30F, INFINITY, -INFINITY, NAN, 1e-20F};
  const Tensor x({1, 7}, DType::f32);
  std::copy(std::begin(inputs), std::end(inputs), x.data<float>());
  gelu(context, x, x);
  const float* y = x.data<float>();
  EXPECT_EQ(y[0], 0.0F);
  EXPECT_EQ(y[1], 1e30F);
  EXPECT_EQ(y[2], 0.0F);
  EXPECT_EQ(y[3], INFINITY);
  EXPECT_EQ(y[4], 0.0F);
  EXPECT_TRUE(std::isnan(y[5]));
  EXPECT_FLOAT_EQ(y[6], 5e-21F);
}

TEST(Gelu, InPlaceAndStrided) {
  Context context;
  const Tensor wide = random_tensor({5, 64}, DType::f32, 3);
  const TensorView x = wide.view().slice(1, 16, 37);
  std::vector<double> expected = values(x);
  for (double& value : expected) value = exact(value);
  const float before = wide.data<float>()[15];
  const float behind = wide.data<float>()[37];
  gelu(context, x, x);
  EXPECT_LT(relative_error(values(x), expected), 1e-6);
  EXPECT_EQ(wide.data<float>()[15], before);
  EXPECT_EQ(wide.data<float>()[37], behind);
}

TEST(Gelu, NoRowsAndWrongShapes) {
  Context context;
  EXPECT_NO_THROW(gelu(context, Tensor({0, 8}, DType::f32), Tensor({0, 8}, DType::f32)));
  EXPECT_THROW(gelu(context, Tensor({2, 9}, DType::f32), Tensor({2, 8}, DType::f32)), Error);
  EXPECT_THROW(gelu(context, Tensor({2, 8}, DType::f32), Tensor({2, 8}, DType::bf16)), Error);
}

}  // namespace
}  // namespace memlong::ops
