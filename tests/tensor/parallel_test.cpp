#include "tensor/parallel.h"

#include <atomic>
#include <chrono>
#include <numeric>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

namespace memlong {
namespace {

constexpr double kLong = 2.0 * kParallelNanoseconds;  // of an item: worth several threads

TEST(ParallelFor, DoesEachItemOnce) {
  for (const int threads : {1, 2, 3}) {
    const Context context({.threads = threads});
    for (const int64_t count : {0, 1, 2, 7, 100}) {
      std::vector<int> done(static_cast<size_t>(count));
      parallel_for(context, count, kLong, [&](int64_t i) { ++done[static_cast<size_t>(i)]; });
      EXPECT_EQ(done, std::vector<int>(static_cast<size_t>(count), 1)) << threads;
    }
  }
}

TEST(ParallelPipeline, ConsumesEachItemOnceAfterItWasProduced) {
  for (const int threads : {1, 2, 3}) {
    const Context context({.threads = threads});
    for (const int64_t count : {0, 1, 2, 7, 100}) {
      const auto size = static_cast<size_t>(count);
      std::vector<int64_t> made(size);
      std::vector<int64_t> used(size);
      int64_t last = 0;
      parallel_pipeline(
          context, count, kLong, [&](int64_t i) { made[static_cast<size_t>(i)] = ++last; },
          [&](int64_t i) { used[static_cast<size_t>(i)] += made[static_cast<size_t>(i)]; });
      std::vector<int64_t> in_order(size);
      std::iota(in_order.begin(), in_order.end(), 1);
      EXPECT_EQ(made, in_order);
      EXPECT_EQ(used, in_order) << threads << " threads, " << count << " items";
    }
  }
}

TEST(ParallelPipeline, ProducesOnTheCallingThread) {
  const Context context({.threads = 2});
  const auto caller = std::this_thread::get_id();
  int elsewhere = 0;
  parallel_pipeline(
      context, 20, kLong, [&](int64_t) { elsewhere += std::this_thread::get_id() != caller; },
      [](int64_t) {});
  EXPECT_EQ(elsewhere, 0);
}

TEST(ParallelPipeline, WaitsForASlowProducer) {
  const Context context({.threads = 2});
  std::vector<int> made(4);
  std::atomic<int> early = 0;
  parallel_pipeline(
      context, 4, kLong,
      [&](int64_t i) {
        std::this_thread::sleep_for(std::chrono::milliseconds(2));
        made[static_cast<size_t>(i)] = 1;
      },
      [&](int64_t i) { early += made[static_cast<size_t>(i)] == 0 ? 1 : 0; });
  EXPECT_EQ(early, 0);
}

}  // namespace
}  // namespace memlong
