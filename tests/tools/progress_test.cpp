// What progress says at a given state, and that it only speaks on standard error.
#include "tools/common/progress.h"

#include <algorithm>
#include <stdexcept>
#include <thread>
#include <vector>

#include <gmock/gmock.h>

namespace memlong::tools {
namespace {

using testing::HasSubstr;

ProgressState half() {
  return {
      .label = "read", .unit = "tokens", .done = 12000, .total = 24000, .seconds = 8, .note = ""};
}

TEST(Progress, BarShowsShareRateAndTimeLeft) {
  EXPECT_EQ(format_progress_bar(half(), 200),
            "read  [############            ]  50 %  12.0k/24.0k tokens  1.5k/s  8.0s left");
}

TEST(Progress, BarFitsTheTerminal) {
  ProgressState state = half();
  state.note = "a very long note that does not fit on it\x1b[0m";
  EXPECT_EQ(format_progress_bar(state, 40).size(), 40U);
  EXPECT_EQ(format_progress_bar(state, 300).find('\x1b'), std::string::npos);
}

TEST(Progress, LineIsPlain) {
  EXPECT_EQ(format_progress_line(half()), "read: 12.0k of 24.0k tokens (50 %), 1.5k/s, 8.0s left");
}

TEST(Progress, WhatWasDoneBeforeCountsForNoRate) {
  ProgressState state = half();
  state.first = 8000;
  EXPECT_EQ(format_progress_line(state), "read: 12.0k of 24.0k tokens (50 %), 500/s, 24s left");
}

TEST(Progress, UnknownTotalAndBytesAndEnd) {
  ProgressState state = half();
  state.total = 0;
  EXPECT_EQ(format_progress_line(state), "read: 12.0k tokens, 1.5k/s, 8.0s");
  state.unit = "bytes";
  state.done = state.total = 1 << 20;
  EXPECT_EQ(format_progress_line(state), "read: 1.0 MiB of 1.0 MiB (100 %), 128.0 KiB/s, 8.0s");
  state.done = 5 << 20;
  EXPECT_THAT(format_progress_line(state), HasSubstr("(100 %)")) << "more than all is all";
}

TEST(Progress, NothingDoneYetPromisesNothing) {
  ProgressState state = half();
  state.done = 0;
  EXPECT_EQ(format_progress_line(state), "read: 0 of 24.0k tokens (0 %)");
}

TEST(Progress, PrintsTheLastStateOnceFromManyThreads) {
  testing::internal::CaptureStderr();
  testing::internal::CaptureStdout();
  {
    Progress progress("write", "chunks", 4000, ProgressStyle::bar);
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([&progress] {
        for (int i = 0; i < 1000; ++i) progress.add(1);
      });
    }
    for (std::thread& thread : threads) thread.join();
    progress.finish();
  }
  const std::string said = testing::internal::GetCapturedStderr();
  EXPECT_EQ(testing::internal::GetCapturedStdout(), "");
  const std::string last = said.substr(said.rfind('\r'));
  EXPECT_THAT(last, HasSubstr("100 %  4.0k/4.0k chunks"));
  EXPECT_EQ(std::count(said.begin(), said.end(), '\n'), 1);
}

TEST(Progress, AShortJobNeedsNoLines) {
  testing::internal::CaptureStderr();
  {
    Progress progress("write", "chunks", 10, ProgressStyle::lines);
    for (int i = 0; i < 10; ++i) progress.add(1);
  }
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
}

TEST(Progress, LeavesTheLastWordToAnError) {
  testing::internal::CaptureStderr();
  try {
    Progress progress("write", "chunks", 4, ProgressStyle::bar);
    throw std::runtime_error("disk full");
  } catch (const std::runtime_error&) {
  }
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
}

TEST(Progress, QuietSaysNothing) {
  testing::internal::CaptureStderr();
  {
    Progress progress("write", "chunks", 1, ProgressStyle::none);
    progress.update(1);
    progress.note("note");
  }
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
}

}  // namespace
}  // namespace memlong::tools
