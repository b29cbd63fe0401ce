// The emulation finds what is wrong with a kernel.
#include "support/cuda_emulation/emulation.h"

#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/error.h"
#include "ops/copy.h"
#include "ops/cuda/device.cuh"
#include "ops/cuda/launch.h"
#include "ops/reference.h"

namespace memlong::ops {
namespace {

using testing::HasSubstr;

class Emulation : public testing::Test {
 protected:
  ~Emulation() override { cuda_emulation::set_order({}); }

  /// What is thrown when the kernel runs with `threads` threads on `elements` zeros; "" for
  /// nothing.
  template <class Kernel>
  std::string complaint(Kernel* kernel, unsigned threads = 64, int64_t elements = 64) {
    const Tensor out = Tensor::zeros({elements}, DType::f32, Device::cuda);
    try {
      launch(context_, "tested", {2, threads}, kernel, out.data<float>());
    } catch (const std::exception& error) {
      return error.what();
    }
    return "";
  }

  std::vector<double> results(void (*kernel)(float*), bool reverse) {
    cuda_emulation::set_order({.reverse_threads = reverse, .block_seed = 0});
    const Tensor out = Tensor::zeros({64}, DType::f32, Device::cuda);
    launch(context_, "tested", {1, 64}, kernel, out.data<float>());
    const Tensor host({64}, DType::f32);
    copy(context_, out, host);
    return reference::values(host);
  }

  Context context_ = Context({.device = Device::cuda});
};

struct Line {
  float at[64];
};

template <bool kWithBarrier>
void neighbours(float* out) {
  Line& line = device::block_shared<Line>();
  line.at[threadIdx.x] = static_cast<float>(threadIdx.x);
  if (kWithBarrier) __syncthreads();
  out[threadIdx.x] = line.at[63 - threadIdx.x];
}

TEST_F(Emulation, AMissingBarrierShows) {
  const std::vector<double> right = results(neighbours<true>, false);
  EXPECT_EQ(right[0], 63.0);
  EXPECT_EQ(results(neighbours<true>, true), right);
  const std::vector<double> forward = results(neighbours<false>, false);
  EXPECT_TRUE(std::isnan(forward[0]));  // nobody had written it
  EXPECT_EQ(forward[63], 0.0);
  EXPECT_TRUE(std::isnan(results(neighbours<false>, true)[63]));
}

void half_at_barrier(float*) {
  if (threadIdx.x < 32) __syncthreads();
}
void two_barriers(float*) {
  if (threadIdx.x < 32) {
    __syncthreads();
  } else {
    __syncthreads();
  }
}
void half_a_warp(float* out) {
  if (threadIdx.x % 32 < 16) out[0] = __shfl_xor_sync(0xFFFFFFFFU, 1.0F, 1);
}
void two_shuffles(float* out) {
  if (threadIdx.x % 32 < 16) {
    out[0] = __shfl_xor_sync(0xFFFFFFFFU, 1.0F, 1);
  } else {
    out[1] = __shfl_xor_sync(0xFFFFFFFFU, 1.0F, 1);
  }
}
void part_of_a_warp(float* out) { out[0] = __shfl_xor_sync(0xFFFFU, 1.0F, 1); }

TEST_F(Emulation, ThreadsThatPart) {
  EXPECT_THAT(complaint(half_at_barrier), HasSubstr("waits for ever at emulation_test.cpp:"));
  EXPECT_THAT(complaint(two_barriers), HasSubstr("others at emulation_test.cpp:"));
  EXPECT_THAT(complaint(half_a_warp), HasSubstr("waits for ever"));
  EXPECT_THAT(complaint(two_shuffles), HasSubstr("other lanes at emulation_test.cpp:"));
  EXPECT_THAT(complaint(part_of_a_warp), HasSubstr("less than a whole warp"));
  EXPECT_EQ(complaint(neighbours<true>), "");  // and all is well again
}

struct Large {
  float at[30 * 256];
};
struct AlsoLarge {
  float at[19 * 256];
};
void too_much_static(float*) {
  device::block_shared<Large>().at[0] = 0.0F;
  device::block_shared<AlsoLarge>().at[0] = 0.0F;
}
void static_and_dynamic(float*) { device::block_shared<Large>().at[0] = 0.0F; }

TEST_F(Emulation, SharedMemoryThatNoDeviceHas) {
  EXPECT_THAT(complaint(too_much_static), HasSubstr("more than 48 KiB of static shared memory"));
  EXPECT_EQ(complaint(static_and_dynamic), "");
  const auto with_dynamic = [&](size_t bytes) {
    launch(context_, "tested", {1, 32, bytes}, static_and_dynamic, nullptr);
  };
  EXPECT_NO_THROW(with_dynamic(69 * 1024));
  EXPECT_THROW(with_dynamic(70 * 1024), std::runtime_error);
}

void past_static(float*) { device::block_shared<Line>().at[64 + threadIdx.x] = 1.0F; }
void past_dynamic(float*) { device::dynamic_shared<float>()[threadIdx.x] = 1.0F; }
void past_tensor(float* out) { out[threadIdx.x] = 1.0F; }
void before_tensor(float* out) { out[-1] = 1.0F; }
void unaligned(float* out) {
  float four[4];
  device::load_floats(out + 1, four);
}

TEST_F(Emulation, MemoryThatIsNotTheirs) {
  EXPECT_THAT(complaint(past_static), HasSubstr("outside its 256 bytes of shared memory"));
  EXPECT_THAT(complaint(past_dynamic), HasSubstr("outside its 0 bytes of shared memory"));
  EXPECT_EQ(complaint(past_tensor, 64, 64), "");
  EXPECT_THAT(complaint(past_tensor, 64, 63), HasSubstr("outside an allocation of 252 bytes"));
  EXPECT_THAT(complaint(before_tensor), HasSubstr("outside an allocation"));
  EXPECT_THAT(complaint(unaligned), HasSubstr("16 bytes that is not aligned"));
}

TEST_F(Emulation, HostAndDeviceMemoryAreApart) {
  const Tensor host({64}, DType::f32);
  const Tensor device = Tensor::zeros({64}, DType::f32, Device::cuda);
  EXPECT_THROW(launch(context_, "tested", {1, 64}, past_tensor, host.data<float>()),
               std::runtime_error);
  EXPECT_EXIT(device.data<float>()[0] = 1.0F, testing::KilledBySignal(SIGSEGV),
              "the host, perhaps in device memory, touched");
  EXPECT_EXIT(launch(context_, "tested", {1, 1024}, past_tensor, device.data<float>()),
              testing::KilledBySignal(SIGSEGV), "a kernel out of its memory touched");
}

void fill_dynamic(float* out) { device::dynamic_shared<float>()[out == nullptr ? 1 : 0] = 0.0F; }

template <int kWaiting>
void waits_in_some(float* out) {
  if (threadIdx.x < kWaiting) device::wait_for_earlier();
  out[threadIdx.x] = 1.0F;
}

void waits_twice(float* out) {
  device::wait_for_earlier();
  if (threadIdx.x == 0) device::wait_for_earlier();
  out[threadIdx.x] = 1.0F;
}

void reads_before(float* out) {
  const auto word = device::load_word<uint4>(out);
  device::wait_for_earlier();
  device::store_word(out, word);
}

TEST_F(Emulation, AKernelThatStartsEarlyAndDoesNotWait) {
  const Tensor out = Tensor::zeros({64}, DType::f32, Device::cuda);
  const auto early = [&](auto* kernel) -> std::string {
    try {
      launch_early(context_, "tested", {2, 64}, kernel, out.data<float>());
    } catch (const std::exception& error) {
      return error.what();
    }
    return "";
  };
  ASSERT_TRUE(context_.overlaps());
  EXPECT_EQ(early(waits_in_some<64>), "");
  EXPECT_THAT(early(waits_in_some<63>), HasSubstr("not each of its threads waits once"));
  EXPECT_THAT(early(waits_twice), HasSubstr("not each of its threads waits once"));
  EXPECT_THAT(early(reads_before), HasSubstr("has not waited"));
  EXPECT_EQ(complaint(waits_in_some<0>), "");  // which does not start early
  context_ = Context({.device = Device::cuda, .overlap = false});
  EXPECT_EQ(early(waits_in_some<0>), "");
}

TEST_F(Emulation, LaunchesThatADeviceRefuses) {
  const auto message = [&](const LaunchShape& shape) -> std::string {
    try {
      launch(context_, "fill", shape, fill_dynamic, nullptr);
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::device);
      return error.what();
    }
    return "";
  };
  EXPECT_EQ(message({1, 32, 99 * 1024}), "");
  EXPECT_THAT(message({1, 32, 99 * 1024 + 1}), HasSubstr("kernel fill, 101377 bytes of shared"));
  EXPECT_EQ(message({0, 32, 8}),
            "CUDA: kernel fill, grid [0, 1, 1], block [32, 1, 1], 8 bytes of shared memory: "
            "invalid configuration argument");
  EXPECT_THAT(message({1, 1025, 8}), HasSubstr("invalid configuration"));
  EXPECT_THAT(message({dim3(1, 65536), 32, 8}), HasSubstr("invalid configuration"));
}

}  // namespace
}  // namespace memlong::ops
