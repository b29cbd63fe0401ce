// How tools end: exit codes, the one line of an error, signals.
#include "tools/common/run.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <pthread.h>
#include <stdexcept>
#include <string>
#include <thread>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "common/error.h"
#include "ops/matmul.h"
#include "tensor/context.h"
#include "tensor/tensor.h"
#include "tools/common/output.h"
#include "tools/common/signals.h"

namespace memlong::tools {
namespace {

struct Ended {
  int code;
  std::string err;
};

Ended end_of(const std::function<int()>& body) {
  std::string name = "/usr/bin/memlong-x";
  char* argv[] = {name.data(), nullptr};
  ::setenv("OMP_WAIT_POLICY", "passive", 0);  // or the tool would start itself: all of these tests
  testing::internal::CaptureStderr();
  const int code = run_tool(1, argv, [&](int, char**) { return body(); });
  return {code, testing::internal::GetCapturedStderr()};
}

TEST(RunTool, MapsErrorsToExitCodesAndOneLine) {
  EXPECT_EQ(end_of([] { return 0; }).code, 0);
  const Ended usage = end_of([]() -> int { fail(ErrorKind::usage, "no such thing"); });
  EXPECT_EQ(usage.code, 2);
  EXPECT_EQ(usage.err, "memlong-x: error: no such thing\n");
  EXPECT_EQ(end_of([]() -> int { fail(ErrorKind::corrupt, "bad"); }).code, 1);
  EXPECT_EQ(end_of([]() -> int { fail(ErrorKind::stopped, "stopped"); }).code, 130);
  const Ended other = end_of([]() -> int { throw std::runtime_error("two\nlines\x1b"); });
  EXPECT_EQ(other.code, 1);
  EXPECT_EQ(other.err, "memlong-x: error: two\\nlines\\x1b\n");
  const Ended path = end_of([]() -> int {
    std::filesystem::create_directory("/dev/null/x");
    return 0;
  });
  EXPECT_EQ(path.code, 1);
  EXPECT_EQ(path.err, "memlong-x: error: cannot use /dev/null/x: Not a directory\n");
  EXPECT_EQ(end_of([]() -> int { throw std::bad_alloc(); }).err,
            "memlong-x: error: out of memory\n");
  const Ended closed = end_of([]() -> int { throw OutputClosed{}; });
  EXPECT_EQ(closed.code, 141);
  EXPECT_EQ(closed.err, "");
}

TEST(Signals, TheFirstAsksForAStop) {
  catch_stop_signals();
  EXPECT_FALSE(stop_requested());
  std::raise(SIGINT);
  EXPECT_TRUE(stop_requested());
  EXPECT_TRUE(stop_flag().load());
  EXPECT_THROW(throw_if_stopped(), Error);
  clear_stop_request();
  EXPECT_NO_THROW(throw_if_stopped());
}

/// On the stack of the thread, a few of these would leave a corrupt heap: oneDNN keeps its stack
/// pointer there in products like this one.
TEST(Signals, LeaveAProductInF32AsItIs) {
  constexpr int kSignals = 400;
  catch_stop_signals();
  Context context({.threads = 1});
  const Tensor weight = Tensor::zeros({768, 256}, DType::f32);
  const TensorView parts[] = {weight};
  const ops::PackedWeight packed = ops::pack_weight(context, parts, DType::f32);
  const pthread_t first = pthread_self();
  std::atomic<bool> sent{false};
  std::thread sender([&] {
    for (int i = 0; i < kSignals; ++i) {
      pthread_kill(first, SIGINT);
      while (!stop_requested()) std::this_thread::yield();
      clear_stop_request();
      std::this_thread::sleep_for(std::chrono::microseconds(300));
    }
    sent = true;
  });
  for (int64_t rows = 1; !sent; rows = rows % 300 + 1) {
    const Tensor x = Tensor::zeros({rows, 256}, DType::f32);
    const Tensor out({rows, 768}, DType::f32);
    ops::matmul(context, x, packed, out);
    const float* values = out.view().data<float>();
    ASSERT_TRUE(std::all_of(values, values + rows * 768, [](float v) { return v == 0.0F; }));
  }
  sender.join();
}

TEST(SignalsDeathTest, TheSecondEndsAtOnce) {
  testing::GTEST_FLAG(death_test_style) = "threadsafe";
  EXPECT_EXIT(
      {
        catch_stop_signals();
        std::raise(SIGTERM);
        std::raise(SIGINT);
        std::exit(0);
      },
      testing::ExitedWithCode(130), "");
}

TEST(JsonText, ReplacesBytesThatAreNotUtf8AndKeepsTheOrder) {
  EXPECT_EQ(json_text({{"z", "a\xff"}, {"a", 1}}), "{\"z\":\"a\xef\xbf\xbd\",\"a\":1}");
}

}  // namespace
}  // namespace memlong::tools
