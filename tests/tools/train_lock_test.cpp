// Two processes that train into one folder.
#include <chrono>
#include <csignal>
#include <functional>
#include <thread>

#include <gtest/gtest.h>

#include "support/paths.h"
#include "tools/background_tool.h"
#include "tools/refusal.h"

namespace memlong::tools_test {
namespace {

/// Looks for a minute at most, as long as the tool runs.
bool comes(BackgroundTool& tool, const std::function<bool()>& what) {
  for (int i = 0; i < 6000 && tool.runs(); ++i) {
    if (what()) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return what();
}

/// A run that does not end by itself. Its folder is `folder`/run.
std::vector<std::string> long_run(const TempFolder& folder) {
  const std::string novel = slurp(test::source_dir() + "/examples/novel.txt");
  const std::string recipe =
      "model = \"" + reference_model() +
      "\"\nadapter = \"none\"\nchunk = 16\nwindow = 64\noverlap = 32\nthreads = 1\n[run]\n"
      "train = \"lora\"\nlora-rank = 2\nform = \"pairs\"\nrows = 1\nspan = \"32\"\npast = \"32\"\n"
      "steps = 1000000\nwarmup = 0\npeak = false\nout = \"" +
      folder / "run" + "\"\ndata = [\"text:" + folder.write("t.txt", novel.substr(0, 6000)) +
      "\"]\n";
  return {"run", "--quiet", "--config", folder.write("recipe.toml", recipe)};
}

TEST(TrainLock, ASecondRunInOneFolderIsRefused) {
  if (!tool_exists("memlong-train")) GTEST_SKIP() << "memlong-train is not built";
  const TempFolder folder;
  const std::string out = folder / "run";
  const std::vector<std::string> words = long_run(folder);
  const auto holder = [&] { return slurp(out + "/run.lock"); };
  BackgroundTool first("memlong-train", words);
  ASSERT_TRUE(comes(first, [&] { return !slurp(out + "/log.jsonl").empty(); }));
  const std::string one = holder();
  ASSERT_TRUE(one.ends_with("\n"));
  const std::string run_file = slurp(out + "/run.json");
  expect_refused("memlong-train", words, 1,
                 out + " is being trained in by process " + one.substr(0, one.size() - 1) +
                     "; wait for it to end, or name another folder with --out");
  EXPECT_EQ(slurp(out + "/run.json"), run_file) << "the second has written nothing";
  ASSERT_EQ(first.end(SIGTERM), 130);
  // A lock ends with the process that held it, even when it was killed.
  BackgroundTool second("memlong-train", words);
  ASSERT_TRUE(comes(second, [&] { return holder().ends_with("\n") && holder() != one; }));
  const std::string two = holder();
  EXPECT_EQ(second.end(SIGKILL), 128 + SIGKILL);
  BackgroundTool third("memlong-train", words);
  EXPECT_TRUE(comes(third, [&] { return holder().ends_with("\n") && holder() != two; }));
  EXPECT_EQ(third.end(SIGTERM), 130);
}

}  // namespace
}  // namespace memlong::tools_test
