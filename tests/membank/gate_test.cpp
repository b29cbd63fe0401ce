#include "membank/gate.h"

#include <atomic>
#include <chrono>
#include <future>

#include <gtest/gtest.h>

namespace memlong::membank {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

TEST(Gate, KeepsReadersOutWhileItIsClosed) {
  Gate gate;
  gate.close();
  std::atomic<bool> inside{false};
  std::jthread reader([&] {
    const GatePass pass(gate);
    inside = true;
  });
  std::this_thread::sleep_for(milliseconds(20));
  EXPECT_FALSE(inside);
  gate.open();
  reader.join();
  EXPECT_TRUE(inside);
}

TEST(Gate, WhoIsInsideMayEnterAgainWhileAnotherWaitsToClose) {
  Gate gate;
  std::atomic<bool> closed{false};
  gate.enter();
  std::jthread closer([&] {
    const GateClosed moved(gate);
    closed = true;
  });
  std::this_thread::sleep_for(milliseconds(20));
  gate.enter();
  gate.leave();
  std::this_thread::sleep_for(milliseconds(20));
  EXPECT_FALSE(closed) << "one pass is still held";
  gate.leave();
  closer.join();
  EXPECT_TRUE(closed);
}

TEST(Gate, ClosesThoughThereIsAlwaysAReaderInside) {
  Gate gate;
  std::atomic<bool> stop{false};
  std::vector<std::jthread> readers;
  for (int i = 0; i < 6; ++i) {
    readers.emplace_back([&] {
      while (!stop) {
        const GatePass pass(gate);
        std::this_thread::sleep_for(milliseconds(3));
      }
    });
  }
  std::this_thread::sleep_for(milliseconds(20));
  auto closing = std::async(std::launch::async, [&] { const GateClosed moved(gate); });
  EXPECT_EQ(closing.wait_for(seconds(20)), std::future_status::ready);
  stop = true;
}

}  // namespace
}  // namespace memlong::membank
