#include "ops/swiglu.h"

#include <cmath>

#include <gtest/gtest.h>

#include "common/error.h"
#include "ops/reference.h"

namespace memlong::ops {
namespace {

using reference::random_tensor;
using reference::relative_error;
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

}  // namespace
}  // namespace memlong::ops
