// Tensor, Context and the list of devices with CUDA, on the emulated runtime.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/error.h"
#include "ops/copy.h"
#include "ops/reference.h"
#include "support/cuda_emulation/include/cuda_api.h"
#include "tensor/devices.h"

namespace memlong {
namespace {

using ops::reference::random_tensor;
using ops::reference::values;
using testing::HasSubstr;

class DeviceTensor : public testing::Test {
 protected:
  Tensor to_host(const TensorView& view) {
    Tensor host(view.shape(), view.dtype());
    ops::copy(context_, view, host);
    return host;
  }
  Context context_ = Context({.device = Device::cuda});
};

TEST_F(DeviceTensor, ZerosAndCopies) {
  EXPECT_EQ(values(to_host(Tensor::zeros({3, 5}, DType::f32, Device::cuda))),
            std::vector<double>(15, 0.0));
  const Tensor host = random_tensor({2, 3, 4, 6}, DType::bf16, 1);
  const Tensor device = ops::convert(context_, host, DType::bf16);
  EXPECT_EQ(device.view().device(), Device::cuda);
  EXPECT_EQ(values(to_host(Tensor::copy_of(device))), values(host));
  const auto part = [](const Tensor& x) {
    return x.view().permute({2, 0, 1, 3}).slice(0, 1, 4).slice(3, 2, 6);
  };
  const Tensor copied = Tensor::copy_of(part(device));
  EXPECT_EQ(copied.view().device(), Device::cuda);
  EXPECT_EQ(values(to_host(copied)), values(Tensor::copy_of(part(host))));
}

TEST_F(DeviceTensor, CopiesOfAnyLengthAndPlace) {
  Tensor host({64}, DType::u8);
  for (int i = 0; i < 64; ++i) host.data<uint8_t>()[i] = static_cast<uint8_t>(200 - i);
  const Tensor device({64}, DType::u8, Device::cuda);
  ops::copy(context_, host, device);
  for (const int64_t begin : {0, 1, 2, 4, 16}) {
    for (const int64_t count : {1, 2, 12, 16, 30, 32}) {
      const Tensor out = Tensor::zeros({64}, DType::u8, Device::cuda);
      ops::copy(context_, device.view().slice(0, 16, 16 + count),
                out.view().slice(0, begin, begin + count));
      const Tensor found = to_host(out);
      for (int64_t i = 0; i < 64; ++i) {
        const bool inside = begin <= i && i < begin + count;
        const int want = inside ? host.data<uint8_t>()[16 + i - begin] : 0;
        ASSERT_EQ(int{found.data<uint8_t>()[i]}, want) << begin << ", " << count << ", " << i;
      }
    }
  }
}

TEST_F(DeviceTensor, ScratchLiesOnTheDevice) {
  EXPECT_EQ(context_.scratch("x", {4}, DType::f32).device(), Device::cuda);
}

TEST_F(DeviceTensor, TooLargeSaysWhatIsFree) {
  release_unused_memory(0);
  try {
    const Tensor tensor({int64_t{3} << 28}, DType::f32, Device::cuda);
    FAIL() << "was allocated";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::capacity);
    EXPECT_THAT(error.what(),
                HasSubstr("out of GPU memory: 3221225472 bytes (3.00 GiB) for a tensor "
                          "[805306368] on CUDA device 0, where 1.00 GiB of 1.00 GiB are free"));
  }
}

TEST_F(DeviceTensor, ALimitHoldsForTheWholeProcess) {
  const Tensor held({1 << 20}, DType::u8, Device::cuda);
  const Context limited({.device = Device::cuda, .max_device_bytes = size_t{3} << 20});
  const Tensor more({1 << 20}, DType::u8, Device::cuda);
  try {
    const Tensor tensor({3 << 19}, DType::u8, Device::cuda);
    FAIL() << "3.5 MiB of 3";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::capacity);
    EXPECT_THAT(error.what(), HasSubstr("out of GPU memory: 1572864 bytes (0.00 GiB) for a tensor "
                                        "[1572864] on CUDA device 0, where 0.00 GiB are left of "
                                        "the 0.00 GiB that --max-gpu-memory allows; lower"));
  }
  const Context unlimited({.device = Device::cuda, .max_device_bytes = SIZE_MAX});
  EXPECT_NO_THROW(Tensor({3 << 19}, DType::u8, Device::cuda));
}

TEST_F(DeviceTensor, FreedMemoryThatIsHeldCountsToo) {
  const Context limited({.device = Device::cuda, .max_device_bytes = size_t{4} << 20});
  release_unused_memory(0);
  cuda_emulation::most_reserved() = 0;
  for (int i = 0; i < 8; ++i) const Tensor tensor({3 << 19}, DType::u8, Device::cuda);
  EXPECT_GT(cuda_emulation::most_reserved(), size_t{3} << 20) << "it is held as long as it may be";
  EXPECT_LE(cuda_emulation::most_reserved(), size_t{4} << 20);
  const Context unlimited({.device = Device::cuda, .max_device_bytes = SIZE_MAX});
}

TEST_F(DeviceTensor, DevicesAreListedAndChosen) {
  const CudaDevices found = cuda_devices();
  ASSERT_EQ(found.devices.size(), 1U);
  EXPECT_EQ(found.devices[0].name, "emulated");
  EXPECT_EQ(found.devices[0].capability, 86);
  EXPECT_EQ(found.devices[0].total_bytes, size_t{1} << 30);
  EXPECT_LE(free_device_bytes(0), size_t{1} << 30);
  EXPECT_GT(free_device_bytes(0), size_t{1} << 29);
  EXPECT_EQ(found.why_none, "");
  try {
    const Context second({.device = Device::cuda, .device_index = 1});
    FAIL() << "there is no second device";
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "no CUDA device 1: there is 1, counted from 0");
  }
}

TEST_F(DeviceTensor, OperandsOfAnotherDeviceAreRefused) {
  Context cpu;
  const Tensor host({4}, DType::f32);
  const Tensor device = Tensor::zeros({4}, DType::f32, Device::cuda);
  EXPECT_THROW(ops::copy(cpu, device, host), Error);
  EXPECT_THROW(ops::copy(cpu, host, device), Error);
  EXPECT_THROW(ops::copy(context_, host, host), Error);
}

}  // namespace
}  // namespace memlong
