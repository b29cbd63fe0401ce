// An ingest that is killed or stopped at any moment, and run again, leaves the same bank as one
// that ran in one go. MEMLONG_TEST_KILLS: how many SIGKILLs (3). MEMLONG_TEST_TEXTS: a folder to
// ingest in place of the small texts.
#include <chrono>
#include <cstdio>
#include <random>
#include <signal.h>
#include <stdlib.h>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "tools/background_tool.h"
#include "tools/bank_difference.h"
#include "tools/run_tool.h"

namespace memlong::tools_test {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

/// Runs memlong-ingest and sends it a signal after a while; exit code, or 128 + signal.
int interrupted(const std::vector<std::string>& words, double after_seconds, int signal_number) {
  BackgroundTool tool("memlong-ingest", words);
  std::this_thread::sleep_for(std::chrono::duration<double>(after_seconds));
  return tool.end(signal_number);
}

class IngestKill : public testing::Test {
 protected:
  void SetUp() override {
    const char* texts = getenv("MEMLONG_TEST_TEXTS");
    if (texts != nullptr) {
      sources_ = {texts};
      return;
    }
    sources_ = {folder_ / "rows.jsonl", folder_ / "texts"};
    const std::string novel = slurp(std::string(MEMLONG_SOURCE_DIR) + "/examples/novel.txt");
    (void)folder_.write("texts/a.txt", novel.substr(0, 30000));
    (void)folder_.write("texts/b.md", novel.substr(200000, 50000));
    std::string rows;
    for (int i = 0; i < 20; ++i) {
      rows += "{\"text\": \"Row " + std::to_string(i) + " says that the sea is calm tonight.\"}\n";
    }
    (void)folder_.write("rows.jsonl", rows);
  }

  [[nodiscard]] std::vector<std::string> words(const std::string& bank) const {
    std::vector<std::string> all = {
        "--model", reference_model(), "--bank", folder_ / bank, "--commit-chunks", "16", "--quiet"};
    all.insert(all.end(), sources_.begin(), sources_.end());
    return all;
  }

  /// In one go; how long it took.
  double whole(const std::string& bank) {
    const auto start = Clock::now();
    ToolCall call;
    call.timeout_seconds = 900;
    const ToolResult result = run_tool("memlong-ingest", words(bank), call);
    EXPECT_EQ(result.code, 0) << result.err;
    return seconds_since(start);
  }

  TempFolder folder_;
  std::vector<std::string> sources_;
};

TEST_F(IngestKill, LeavesTheSameBankAsOneRun) {
  const double total = whole("one");
  const double startup = whole("one");  // everything is known
  const char* wanted = getenv("MEMLONG_TEST_KILLS");
  const int kills = wanted == nullptr ? 3 : atoi(wanted);
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  std::uniform_real_distribution<double> share(0.0, 2.0);
  int killed = 0;
  for (int i = 0; i < kills; ++i) {
    const double work = std::max(total - startup, 0.1) / kills;
    const int code = interrupted(words("killed"), 0.5 * startup + share(random) * work, SIGKILL);
    EXPECT_TRUE(code == 128 + SIGKILL || code == 0) << code;
    killed += code == 0 ? 0 : 1;
  }
  std::printf("%d of %d runs were killed in time\n", killed, kills);
  whole("killed");
  EXPECT_EQ(bank_difference(folder_ / "one", folder_ / "killed"), "");
}

TEST_F(IngestKill, CtrlCCommitsWhatIsDone) {
  const double total = whole("one");
  const int code = interrupted(words("stopped"), 0.6 * total, SIGINT);
  EXPECT_TRUE(code == 130 || code == 0) << code;
  whole("stopped");
  EXPECT_EQ(bank_difference(folder_ / "one", folder_ / "stopped"), "");
}

}  // namespace
}  // namespace memlong::tools_test
