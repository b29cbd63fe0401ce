// An ingest that is stopped with Ctrl-C, and run again, leaves the same bank as one that ran in one
// go. tests/tools/kills does the same with SIGKILL.
#include <signal.h>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "common/clock.h"
#include "support/paths.h"
#include "tools/background_tool.h"
#include "tools/bank_difference.h"
#include "tools/run_tool.h"

namespace memlong::tools_test {
namespace {

TEST(IngestStop, CtrlCCommitsWhatIsDone) {
  const TempFolder folder;
  const std::string novel = slurp(test::source_dir() + "/examples/novel.txt");
  (void)folder.write("texts/a.txt", novel.substr(0, 30000));
  (void)folder.write("texts/b.md", novel.substr(200000, 50000));
  const auto words = [&](const std::string& bank) {
    return std::vector<std::string>{"--model",     reference_model(), "--bank",
                                    folder / bank, "--commit-chunks", "16",
                                    "--quiet",     folder / "texts"};
  };
  const Stopwatch watch;
  ASSERT_EQ(run_tool("memlong-ingest", words("one")).code, 0);
  const double total = watch.seconds();
  BackgroundTool tool("memlong-ingest", words("stopped"));
  (void)tool.ended_within(0.6 * total);
  const int code = tool.end(SIGINT);
  EXPECT_TRUE(code == 130 || code == 0) << code;
  const ToolResult rest = run_tool("memlong-ingest", words("stopped"));
  EXPECT_EQ(rest.code, 0) << rest.err;
  EXPECT_EQ(bank_difference(folder / "one", folder / "stopped"), "");
}

}  // namespace
}  // namespace memlong::tools_test
