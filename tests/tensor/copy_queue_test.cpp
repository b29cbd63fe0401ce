#include "tensor/copy_queue.h"

#include <numeric>

#include <gtest/gtest.h>

#include "common/error.h"

namespace memlong {
namespace {

TEST(CopyQueue, OnTheCpuACopyIsDoneWhenItReturns) {
  Context context({.threads = 1});
  HostBuffer buffer;
  const TensorView from = buffer.room(context, {2, 3}, DType::f32);
  std::iota(from.data<float>(), from.data<float>() + 6, 1.0F);
  CopyQueue queue(context);
  const std::shared_ptr<void> memory = queue.allocate(from.bytes());
  const TensorView to(memory.get(), DType::f32, from.shape());
  queue.follow();
  queue.copy(from, to);
  EXPECT_EQ(to.data<float>()[5], 6.0F);
  queue.lead();
  queue.mark().wait();
  CopyMark().wait();
}

TEST(CopyQueue, MovesBytesOfOneShapeOnly) {
  Context context({.threads = 1});
  CopyQueue queue(context);
  const Tensor a({4, 6}, DType::f32);
  const Tensor b({4, 6}, DType::bf16);
  EXPECT_THROW(queue.copy(a, b), Error);
  EXPECT_THROW(queue.copy(a, a.view().slice(0, 0, 3)), Error);
  EXPECT_THROW(queue.copy(a.view().slice(1, 0, 3), a.view().slice(1, 3, 6)), Error);
}

TEST(HostBuffer, KeepsItsMemoryUntilItMustGrow) {
  const Context context({.threads = 1});
  HostBuffer buffer;
  const TensorView large = buffer.room(context, {8, 8}, DType::f32);
  const TensorView small = buffer.room(context, {3}, DType::bf16);
  EXPECT_EQ(small.raw(), large.raw());
  EXPECT_EQ(small.dtype(), DType::bf16);
  const TensorView larger = buffer.room(context, {9, 8}, DType::f32);
  larger.data<float>()[71] = 1.0F;
  EXPECT_EQ(buffer.room(context, {1}, DType::f32).raw(), larger.raw());
}

}  // namespace
}  // namespace memlong
