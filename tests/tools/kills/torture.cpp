#include "tools/kills/torture.h"

#include <algorithm>
#include <fstream>
#include <signal.h>

#include "common/clock.h"
#include "tools/run_tool.h"

namespace memlong::kills {
namespace {

using tools_test::BackgroundTool;
using tools_test::slurp;

/// Whether the process `pid` had the bank open for writing.
bool wrote(const Path& bank, pid_t pid) {
  return slurp(bank / "writer.lock") == std::to_string(pid) + "\n";
}

}  // namespace

Torture::Torture(Scenario& scenario, const Path& folder, std::mt19937& random)
    : scenario_(scenario), folder_(folder), random_(random) {}

double Torture::uniform(double below) {
  return std::uniform_real_distribution<double>(0, below)(random_);
}

/// Runs the command to its end, or to its death.
Torture::Attempt Torture::attempt(const Path& bank, std::optional<double> kill_after) {
  const auto file = [&](const char* name) { return (folder_ / name).string(); };
  std::ofstream(file("in"), std::ios::binary) << scenario_.input();
  Attempt result;
  const Stopwatch watch;
  BackgroundTool tool(scenario_.tool(), scenario_.words(bank),
                      {.in = file("in"), .out = file("out"), .err = file("err")});
  result.pid = tool.pid();
  const bool ended = tool.ended_within(kill_after.value_or(600));
  const int code = ended ? tool.wait() : tool.end(SIGKILL);
  result.seconds = watch.seconds();
  result.killed = code == 128 + SIGKILL;
  if (result.killed && !kill_after) throw Broken("it hangs: still running after 600 s");
  if (!result.killed && code != 0) {
    throw Broken("exit code " + std::to_string(code) + ": " + slurp(file("err")));
  }
  return result;
}

std::string Torture::output() const { return slurp(folder_ / "out"); }

/// What memlong-bank verify finds; "" when the bank is clean, or rightly not there yet.
std::string Torture::verify(const Path& bank) const {
  const tools_test::ToolResult result =
      tools_test::run_tool("memlong-bank", {"verify", "--quiet", "--bank", bank});
  const bool none = result.err.find("there is no bank in") != std::string::npos;
  const bool good = result.code == 0 || (none && scenario_.from_nothing() && reached_ == start_);
  return good ? "" : "verify: " + result.out + result.err;
}

void Torture::make_whole() {
  scenario_.begin(whole());
  start_ = scenario_.progress(whole());
  tally_.run_seconds = attempt(whole(), {}).seconds;
  end_ = scenario_.progress(whole());
  reached_ = end_;
  std::string wrong = scenario_.look(whole(), whole(), output()) + verify(whole());
  if (!wrong.empty()) throw Broken("in one go: " + wrong);
  copy_folder(whole(), bank());
  idle_seconds_ = attempt(bank(), {}).seconds;
  compare();
}

void Torture::begin() {
  scenario_.begin(bank());
  reached_ = start_;
}

double Torture::expected_seconds() const {
  if (end_ == start_) return tally_.run_seconds;
  const double done = static_cast<double>(reached_ - start_) / static_cast<double>(end_ - start_);
  return tally_.run_seconds + done * (idle_seconds_ - tally_.run_seconds);
}

void Torture::adapt(double seconds) {
  constexpr double kShare = 0.3;
  pace_ += kShare * (seconds / expected_seconds() - pace_);
}

void Torture::look_after_kill(const Attempt& killed) {
  ++tally_.kills;
  tally_.opened += wrote(bank(), killed.pid) ? 1 : 0;
  // Half of the time the rerun is the first that opens the bank, and a copy is looked at.
  Path seen = bank();
  if (uniform(1) < 0.5 && std::filesystem::exists(bank())) {
    seen = folder_ / "seen";
    copy_folder(bank(), seen);
  }
  std::string wrong = verify(seen);
  if (wrong.empty()) wrong = scenario_.look(seen, whole(), output());
  if (!wrong.empty()) throw Broken("after a kill: " + wrong);
  reached_ = scenario_.progress(seen);
  tally_.half_done += reached_ != start_ && reached_ != end_ ? 1 : 0;
}

void Torture::compare() {
  ++tally_.finished;
  std::string wrong = verify(bank());
  if (wrong.empty()) wrong = scenario_.difference(whole(), bank());
  if (!wrong.empty()) throw Broken("not as in one go: " + wrong);
}

Tally Torture::run(int kills, const std::function<void(const Tally&)>& progress) {
  const Stopwatch watch;
  make_whole();
  tally_.finished = 0;
  begin();
  while (tally_.kills < kills) {
    const Attempt tried = attempt(bank(), uniform(expected_seconds() * pace_));
    if (tried.killed) {
      look_after_kill(tried);
      tally_.seconds = watch.seconds();
      progress(tally_);
      if (tally_.kills < kills && uniform(1) < 0.5) continue;  // the rerun is killed, too
      adapt(attempt(bank(), {}).seconds);
    } else {
      ++tally_.late;
      if (tally_.late > 3 * kills + 20) throw Broken("nearly every kill comes too late");
      adapt(tried.seconds);
    }
    compare();
    begin();
  }
  tally_.seconds = watch.seconds();
  return tally_;
}

}  // namespace memlong::kills
