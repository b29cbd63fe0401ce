// A chat that is stopped with Ctrl-C while it reads a very long message.
#include <signal.h>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/paths.h"
#include "tools/background_tool.h"
#include "tools/run_tool.h"

namespace memlong::tools_test {
namespace {

using testing::HasSubstr;

TEST(ChatStop, CtrlCTakesALongMessageBack) {
  const TempFolder folder;
  std::string novel = slurp(test::source_dir() + "/examples/novel.txt");
  for (char& c : novel) c = c == '\n' ? ' ' : c;
  std::string lines = "My umbrella is under the stairs.\n";
  while (lines.size() < 4'000'000) lines += novel;  // reading takes tens of seconds
  const std::vector<std::string> words{
      "--model", reference_model(), "--bank", folder / "bank", "--session", "a", "--greedy"};
  BackgroundTool tool("memlong-chat", words,
                      {.in = folder.write("in.txt", lines + "\n"),
                       .out = folder / "out.txt",
                       .err = folder / "err.txt"});
  while (slurp(folder / "out.txt").find('\n') == std::string::npos) {
    ASSERT_FALSE(tool.ended_within(0.05)) << slurp(folder / "err.txt");
  }
  (void)tool.ended_within(0.5);
  EXPECT_EQ(tool.end(SIGINT), 130);
  EXPECT_THAT(slurp(folder / "err.txt"),
              HasSubstr("memlong-chat: error: stopped: the message was not taken in\n"));

  std::vector<std::string> again = words;
  again.insert(again.end(), {"--json", "--prompt", "Where did I leave my umbrella?"});
  const ToolResult answer = run_tool("memlong-chat", again);
  EXPECT_EQ(answer.code, 0) << answer.err;
  EXPECT_THAT(answer.out, HasSubstr("under the stairs"));
  const ToolResult verify = run_tool("memlong-bank", {"verify", "--bank", folder / "bank"});
  EXPECT_EQ(verify.code, 0) << verify.out << verify.err;
}

}  // namespace
}  // namespace memlong::tools_test
