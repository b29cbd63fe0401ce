#include "tensor/context.h"

#include <gtest/gtest.h>

#include "common/error.h"

namespace memlong {
namespace {

struct Counter {
  int value = 0;
};

TEST(Context, ExtensionsAreMadeOnceEachContext) {
  Context a;
  Context b;
  a.extension<Counter>().value = 3;
  EXPECT_EQ(a.extension<Counter>().value, 3);
  EXPECT_EQ(b.extension<Counter>().value, 0);
}

TEST(Context, ScratchGrowsAndIsReused) {
  Context context;
  const TensorView large = context.scratch("x", {100}, DType::f32);
  const TensorView small = context.scratch("x", {10, 2}, DType::bf16);
  EXPECT_EQ(large.raw(), small.raw());
  EXPECT_EQ(small.shape(), Shape({10, 2}));
  EXPECT_EQ(small.dtype(), DType::bf16);
  EXPECT_NE(context.scratch("y", {100}, DType::f32).raw(), large.raw());
  context.scratch("x", {1000}, DType::f32).data<float>()[999] = 1.0F;
}

TEST(Context, Threads) {
  EXPECT_GE(Context().threads(), 1);
  EXPECT_EQ(Context({.threads = 3}).threads(), 3);
}

TEST(Context, CudaIsRefusedWithoutIt) {
  if (kHasCuda) GTEST_SKIP() << "built with CUDA";
  EXPECT_THROW(Context({.device = Device::cuda}), Error);
}

}  // namespace
}  // namespace memlong
