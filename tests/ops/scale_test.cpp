#include "ops/scale.h"

#include <gtest/gtest.h>

#include "common/error.h"

namespace memlong::ops {
namespace {

Tensor counted(const Shape& shape) {
  Tensor x(shape, DType::f32);
  for (int64_t i = 0; i < shape.elements(); ++i) x.data<float>()[i] = static_cast<float>(i + 1);
  return x;
}

TEST(Scale, MultipliesEveryElement) {
  Context context;
  const Tensor x = counted({3, 7000});
  const Tensor out = Tensor::zeros({3, 7000}, DType::f32);
  scale(context, x, 0.3F, out);
  for (int64_t i = 0; i < 21000; ++i) {
    EXPECT_EQ(out.data<float>()[i], 0.3F * static_cast<float>(i + 1));
    EXPECT_EQ(x.data<float>()[i], static_cast<float>(i + 1));
  }
  scale(context, x, -2.0F, x);
  EXPECT_EQ(x.data<float>()[20999], -42000.0F);
}

TEST(Scale, RefusesWhatDoesNotFit) {
  Context context;
  const Tensor x = counted({3, 8});
  EXPECT_THROW(scale(context, x, 1.0F, counted({8, 3})), Error);
  EXPECT_THROW(scale(context, x.view().slice(1, 0, 4), 1.0F, counted({3, 4})), Error);
  EXPECT_THROW(scale(context, x, 1.0F, Tensor({3, 8}, DType::bf16)), Error);
}

}  // namespace
}  // namespace memlong::ops
