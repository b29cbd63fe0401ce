#include "ops/zero.h"

#include <gtest/gtest.h>

#include "common/error.h"

namespace memlong::ops {
namespace {

Tensor counted(const Shape& shape) {
  Tensor x(shape, DType::f32);
  for (int64_t i = 0; i < shape.elements(); ++i) x.data<float>()[i] = static_cast<float>(i + 1);
  return x;
}

TEST(Zero, LeavesTheNeighbours) {
  Context context;
  const Tensor x = counted({4, 5});
  zero(context, x.view().slice(0, 1, 3));
  for (int64_t i = 0; i < 20; ++i) {
    EXPECT_EQ(x.data<float>()[i], i >= 5 && i < 15 ? 0.0F : static_cast<float>(i + 1)) << i;
  }
  zero(context, {});
  EXPECT_THROW(zero(context, x.view().slice(1, 0, 2)), Error);
}

}  // namespace
}  // namespace memlong::ops
