// What is timed on a GPU is done when the watch is read. Seen by the emulation's count of work that
// nobody has waited for.
#include <cmath>

#include <gtest/gtest.h>

#include "ops/copy.h"
#include "ops/scale.h"
#include "support/cuda_emulation/recording.h"
#include "support/cuda_emulation/streams.h"
#include "tools/device/bench_world.h"
#include "tools/memlong-bench/calls.h"
#include "tools/memlong-bench/floors.h"

namespace memlong::bench_tool {
namespace {

using cuda_emulation::work_unwaited;

TEST(BenchWaits, ForAPassAndAToken) {
  BenchWorld world(Device::cuda);
  Pass pass(world.context, world.network);
  const std::vector<int32_t> ids = random_ids(world.network, 6);
  pass.run(std::span(ids).first(4), 0, {});
  EXPECT_FALSE(work_unwaited());
  for (int64_t at = 4; at < 6; ++at) {
    pass.next(ids[static_cast<size_t>(at)], at);
    EXPECT_FALSE(work_unwaited());
  }
}

TEST(BenchWaits, ForTheFloors) {
  Context context({.device = Device::cuda, .threads = 1});
  MatmulFloor matmul(context, DType::bf16, 64);
  EXPECT_GT(matmul.flops_per_second(), 0.0);
  EXPECT_FALSE(work_unwaited());
  ReadFloor copy(context, 1 << 20);
  EXPECT_GT(copy.bytes_per_second(), 0.0);
  EXPECT_FALSE(work_unwaited());
}

/// A tensor of ones that work doubles.
struct Doubling {
  Doubling() {
    ones = Tensor({8}, DType::f32);
    std::fill_n(ones.data<float>(), 8, 1.0F);
    x = Tensor({8}, DType::f32, Device::cuda);
    ops::copy(context, ones, x);
  }
  float value() {
    Tensor host({8}, DType::f32);
    ops::copy(context, x, host);
    return host.data<float>()[7];
  }
  Context context{{.device = Device::cuda, .threads = 1}};
  Tensor ones, x;
};

TEST(BenchCalls, AreRecordedTogetherAndDone) {
  Doubling doubling;
  const auto twice = [&] { ops::scale(doubling.context, doubling.x, 2.0F, doubling.x); };
  Calls calls(doubling.context, twice, 3);
  EXPECT_TRUE(calls.recorded());
  EXPECT_EQ(calls.together(), 3);
  EXPECT_EQ(doubling.value(), 2.0F);  // recording does nothing
  EXPECT_GT(calls.seconds(0.0), 0.0);
  EXPECT_FALSE(work_unwaited());
  EXPECT_EQ(doubling.value(), 16.0F);
}

TEST(BenchCalls, ChooseHowManyAreOneLaunch) {
  Doubling doubling;
  const auto twice = [&] { ops::scale(doubling.context, doubling.x, 2.0F, doubling.x); };
  Calls calls(doubling.context, twice);
  EXPECT_GE(calls.together(), 1);
  EXPECT_LE(calls.together(), 64);
  EXPECT_EQ(doubling.value(), 4.0F);  // once as it is, once to see how long it takes
  EXPECT_GT(calls.seconds(0.0), 0.0);
  EXPECT_EQ(doubling.value(), std::ldexp(4.0F, static_cast<int>(calls.together())));
}

TEST(BenchCalls, AreMadeOneByOneWhereTheyCannotBeRecorded) {
  Doubling doubling;
  Calls calls(
      doubling.context,
      [&] {
        ops::copy(doubling.context, doubling.ones, doubling.x);  // from the host
        ops::scale(doubling.context, doubling.x, 2.0F, doubling.x);
        doubling.context.synchronize();
      },
      3);
  EXPECT_FALSE(calls.recorded());
  EXPECT_EQ(calls.together(), 1);
  EXPECT_GT(calls.seconds(0.0), 0.0);
  EXPECT_EQ(doubling.value(), 2.0F);
}

TEST(BenchCalls, AreRecordedAnewWhenScratchMemoryMoves) {
  Doubling doubling;
  Context& context = doubling.context;
  const auto room = [&](int64_t elements) {
    return context.scratch("bench test", {elements}, DType::f32).slice(0, 0, 8);
  };
  Calls calls(
      context,
      [&] {
        ops::copy(context, doubling.x, room(8));
        ops::scale(context, room(8), 2.0F, room(8));
        ops::copy(context, room(8), doubling.x);
      },
      1);
  EXPECT_TRUE(calls.recorded());
  EXPECT_EQ(doubling.value(), 2.0F);
  (void)room(1 << 16);  // somebody else needs more
  EXPECT_GT(calls.seconds(0.0), 0.0);
  EXPECT_EQ(doubling.value(), 4.0F);
}

}  // namespace
}  // namespace memlong::bench_tool
