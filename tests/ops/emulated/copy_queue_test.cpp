// Copies beside a context's work, where they are done as late as they may be.
#include "tensor/copy_queue.h"

#include <algorithm>
#include <cmath>

#include <gtest/gtest.h>

#include "ops/copy.h"

namespace memlong {
namespace {

class CopyQueueOnDevice : public testing::Test {
 protected:
  TensorView filled(HostBuffer& buffer, float value) {
    const TensorView view = buffer.room(context_, {4, 16}, DType::f32);
    std::fill_n(view.data<float>(), view.elements(), value);
    return view;
  }
  TensorView device_room() {
    memory_ = queue_.allocate(4 * 16 * sizeof(float));
    return {memory_.get(), DType::f32, {4, 16}, Device::cuda};
  }
  float first(const TensorView& device) {
    const Tensor host(device.shape(), device.dtype());
    ops::copy(context_, device, host);
    return host.data<float>()[0];
  }

  Context context_ = Context({.device = Device::cuda});
  HostBuffer up_;
  HostBuffer down_;
  std::shared_ptr<void> memory_;
  CopyQueue queue_ = CopyQueue(context_);
};

TEST_F(CopyQueueOnDevice, WhatGoesUpIsThereAfterLead) {
  const TensorView device = device_room();
  queue_.copy(filled(up_, 2.0F), device);
  EXPECT_TRUE(std::isnan(first(device))) << "the copy waits for nobody, nobody for the copy";
  queue_.lead();
  EXPECT_EQ(first(device), 2.0F);
}

TEST_F(CopyQueueOnDevice, WhatGoesUpMustStayUntilItsMark) {
  const TensorView device = device_room();
  queue_.copy(filled(up_, 2.0F), device);
  queue_.mark().wait();
  filled(up_, 3.0F);
  queue_.lead();
  EXPECT_EQ(first(device), 2.0F);
}

TEST_F(CopyQueueOnDevice, WhatComesDownIsThereAfterItsMark) {
  const Tensor device = ops::convert(context_, filled(up_, 5.0F), DType::f32);
  const TensorView host = filled(down_, 0.0F);
  queue_.follow();
  queue_.copy(device, host);
  const CopyMark mark = queue_.mark();
  EXPECT_EQ(host.data<float>()[0], 0.0F);
  mark.wait();
  EXPECT_EQ(host.data<float>()[63], 5.0F);
}

TEST_F(CopyQueueOnDevice, AMarkDoesNotWaitForWhatIsBehindIt) {
  const Tensor device = ops::convert(context_, filled(up_, 5.0F), DType::f32);
  HostBuffer other;
  const TensorView early = filled(down_, 0.0F);
  const TensorView late = filled(other, 0.0F);
  queue_.follow();
  queue_.copy(device, early);
  const CopyMark mark = queue_.mark();
  queue_.copy(device, late);
  mark.wait();
  EXPECT_EQ(early.data<float>()[0], 5.0F);
  EXPECT_EQ(late.data<float>()[0], 0.0F);
  queue_.mark().wait();
  EXPECT_EQ(late.data<float>()[0], 5.0F);
}

TEST_F(CopyQueueOnDevice, WhatWasNotWaitedForIsNotRead) {
  const Tensor device = ops::convert(context_, filled(up_, 5.0F), DType::f32);
  EXPECT_ANY_THROW(queue_.copy(device, filled(down_, 0.0F)));
}

}  // namespace
}  // namespace memlong
