// Every launch of attention, for all head dimensions and up to 128k tokens, is one that all
// supported GPUs take. Nothing is run. A launch that no GPU takes is an error by itself.
#include <array>

#include <gtest/gtest.h>

#include "ops/attention.h"
#include "ops/cuda/attention_tile.h"
#include "support/cuda_emulation/large_run.h"

namespace memlong::ops {
namespace {

constexpr int64_t kLongest = 128 << 10;

/// Shared memory that a block can have, by compute capability.
struct Architecture {
  int capability;
  size_t block_shared_bytes;
};
constexpr std::array<Architecture, 4> kArchitectures = {
    {{80, 163 << 10}, {86, 99 << 10}, {89, 99 << 10}, {90, 227 << 10}}};

/// What plan_memory() sets aside for the sums of kernels.
constexpr size_t kSums = size_t{32} << 20;

size_t memory_in_use() {
  size_t free = 0;
  size_t total = 0;
  cuda_emulation::memory_left(&free, &total);
  return total - free;
}

struct Call {
  int64_t heads, groups, head_dim, tokens, offset;
  std::vector<int64_t> memory;
};

class LaunchLimits : public testing::Test {
 protected:
  void expect_fitting(const std::string& name) {
    EXPECT_FALSE(run_.launches().empty()) << name;
    for (const cuda_emulation::Launch& launch : run_.launches()) {
      const size_t threads = size_t{launch.block.x} * launch.block.y * launch.block.z;
      EXPECT_EQ(threads % 32, 0U) << name;
      EXPECT_LE(threads, 1024U) << name;
      EXPECT_LE(launch.grid.x, 0x7FFFFFFFU) << name;
      EXPECT_LE(std::max(launch.grid.y, launch.grid.z), 65535U) << name;
      for (const Architecture& each : kArchitectures) {
        EXPECT_LE(launch.shared_bytes, each.block_shared_bytes)
            << name << " on compute capability " << each.capability;
      }
    }
    run_.forget();
  }

  /// Forward, gradients and the mass of the first memory.
  void attend(const Call& call, DType dtype) {
    const std::string name = "D" + std::to_string(call.head_dim) + "_T" +
                             std::to_string(call.tokens) + "_offset" + std::to_string(call.offset);
    const auto tensor = [&](const Shape& shape, DType type) {
      kept_.emplace_back(shape, type, Device::cuda);
      return kept_.back().view();
    };
    const Shape rows = {call.tokens, call.heads, call.head_dim};
    const Shape keys = {call.groups, call.offset + call.tokens, call.head_dim};
    std::vector<MemorySegment> segments;
    std::vector<MemoryGradient> gradients;
    const auto count = static_cast<int64_t>(call.memory.size());
    for (int64_t i = 0; i < count; ++i) {
      const Shape set = {call.groups, call.memory[static_cast<size_t>(i)], call.head_dim};
      segments.push_back({call.tokens * i / count, call.tokens * (i + 1) / count,
                          tensor(set, dtype), tensor(set, dtype)});
      gradients.push_back({tensor(set, DType::f32), tensor(set, DType::f32)});
    }
    AttentionBackwardArgs args;
    args.forward = {tensor(rows, dtype),
                    tensor(keys, dtype),
                    tensor(keys, dtype),
                    call.offset,
                    0.1F,
                    segments,
                    tensor(rows, dtype),
                    tensor({call.tokens, call.heads}, DType::f32)};
    const size_t before = memory_in_use();
    attention(context_, args.forward);
    if (call.groups > 1) {
      EXPECT_LE(memory_in_use() - before, kSums) << name;
    }
    expect_fitting("attention, " + name);
    args.dout = tensor(rows, dtype);
    args.dq = tensor(rows, dtype);
    args.dk = tensor(keys, dtype);
    args.dv = tensor(keys, dtype);
    args.memory = gradients;
    attention_backward(context_, std::span(&args, 1));
    expect_fitting("attention_backward, " + name);
    if (!segments.empty()) {
      attention_memory_mass(context_, args.forward.q, segments[0].k, args.forward.lse, 0.1F,
                            tensor({call.memory[0]}, DType::f32));
      expect_fitting("attention_memory_mass, " + name);
    }
    kept_.clear();
  }

  cuda_emulation::LargeRun run_ = cuda_emulation::LargeRun(0);
  Context context_ = Context({.device = Device::cuda});
  std::vector<Tensor> kept_;
};

TEST_F(LaunchLimits, EveryHeadDimension) {
  for (const DType dtype : {DType::f32, DType::bf16}) {
    for (int64_t dim = 2; dim <= 256; dim += 2) {
      attend({8, 2, dim, 1, 700, {300}}, dtype);
      attend({4, 2, dim, 300, 0, {70, 5}}, dtype);
    }
  }
}

TEST_F(LaunchLimits, LongWindows) {
  for (const DType dtype : {DType::f32, DType::bf16}) {
    for (const int64_t dim : {2, 64, 100, 128, 256}) {
      attend({32, 8, dim, kLongest, 0, {4096, 4096}}, dtype);
      attend({32, 8, dim, 1, kLongest - 1, {kLongest}}, dtype);
    }
    attend({64, 1, 64, kLongest, 0, {}}, dtype);                           // one kv head
    attend({128, 128, 64, 2048, 0, {64}}, dtype);                          // many
    attend({32, 8, 128, 2048, 0, std::vector<int64_t>(2048, 64)}, dtype);  // a set for each token
  }
}

TEST(CutRows, CoverEachRowOnceWithItsOwnMemory) {
  cuda_emulation::LargeRun run(0);
  const Tensor q({kLongest, 8, 64}, DType::bf16, Device::cuda);
  const Tensor k({2, kLongest, 64}, DType::bf16, Device::cuda);
  const Tensor set({2, 128, 64}, DType::bf16, Device::cuda);
  const std::vector<MemorySegment> segments = {
      {0, 1, set, set}, {1, 40, {}, {}}, {77, 78, set, set}, {100, kLongest - 3, set, set}};
  AttentionArgs args;
  args.q = q;
  args.k = args.v = k;
  args.memory = segments;
  for (const int64_t rows : {int64_t{1}, int64_t{32}, int64_t{64}, int64_t{128}}) {
    int64_t next = 0;
    for (const device::RowRange& range : device::cut_rows(args, rows)) {
      ASSERT_EQ(range.first, next);
      ASSERT_GT(range.last, range.first);
      ASSERT_LE(range.last - range.first, rows);
      next = range.last;
      const MemorySegment* wanted = nullptr;
      for (const MemorySegment& segment : segments) {
        const bool inside = segment.begin * 4 <= range.first && range.last <= segment.end * 4;
        if (inside && !segment.k.empty()) wanted = &segment;
      }
      ASSERT_EQ(range.memory, wanted) << "rows from " << range.first;
    }
    EXPECT_EQ(next, kLongest * 4);
  }
}

TEST(CommonWidth, IsWhatAllRowsAllow) {
  cuda_emulation::LargeRun run(0);
  const Tensor x({64, 4, 64}, DType::bf16, Device::cuda);
  const auto width = [](const TensorView& view) {
    return device::common_width(view.dim(2), {&view});
  };
  EXPECT_EQ(width(x), 8);
  EXPECT_EQ(width(x.view().slice(2, 8, 40)), 8);
  EXPECT_EQ(width(x.view().slice(2, 4, 36)), 4);  // rows begin on 8 bytes
  EXPECT_EQ(width(x.view().slice(2, 0, 36)), 4);  // 36 is no multiple of 8
  EXPECT_EQ(width(x.view().slice(2, 2, 34)), 1);
  EXPECT_EQ(width(x.view().slice(2, 0, 34)), 1);
  const Tensor odd({64, 4, 65}, DType::bf16, Device::cuda);
  EXPECT_EQ(width(odd.view().slice(2, 0, 64)), 1);  // rows are 130 bytes apart
  const Tensor wide({64, 4, 68}, DType::f32, Device::cuda);
  EXPECT_EQ(width(wide.view().slice(2, 0, 64)), 8);
  EXPECT_EQ(width(wide.view().slice(2, 1, 65)), 1);
  const TensorView whole = x.view();
  const TensorView narrow = x.view().slice(2, 4, 36);
  const TensorView none;
  EXPECT_EQ(device::common_width(32, {&whole, &narrow, &none}), 4);
}

}  // namespace
}  // namespace memlong::ops
