#include "tools/refusal.h"

#include <algorithm>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace memlong::tools_test {

void expect_one_line(const ToolResult& result, int code, const std::string& begin,
                     const std::string& says) {
  EXPECT_EQ(result.code, code) << result.err;
  EXPECT_THAT(result.err, testing::StartsWith(begin));
  EXPECT_THAT(result.err, testing::HasSubstr(says));
  EXPECT_EQ(std::count(result.err.begin(), result.err.end(), '\n'), 1) << result.err;
  EXPECT_TRUE(result.err.ends_with('\n')) << result.err;
  EXPECT_LT(result.err.size(), 6000U);
  const auto control = [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return (byte < 0x20 && c != '\n') || byte == 0x7F;
  };
  EXPECT_TRUE(std::none_of(result.err.begin(), result.err.end(), control)) << result.err;
  EXPECT_THAT(result.err, testing::Not(testing::HasSubstr("exception"))) << "a library's words";
}

void expect_refused(const std::string& tool, const std::vector<std::string>& args, int code,
                    const std::string& says) {
  ToolCall call;
  call.timeout_seconds = 60;
  expect_one_line(run_tool(tool, args, call), code, tool + ": error: ", says);
}

}  // namespace memlong::tools_test
