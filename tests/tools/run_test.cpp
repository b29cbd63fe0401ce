// How tools end: exit codes, the one line of an error, signals.
#include "tools/common/run.h"

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <stdexcept>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "common/error.h"
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
