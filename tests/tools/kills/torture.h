// Kills a scenario's command again and again, and looks at what is left.
#pragma once

#include <functional>
#include <optional>
#include <random>
#include <stdexcept>
#include <string>

#include "tools/background_tool.h"
#include "tools/kills/scenario.h"

namespace memlong::kills {

struct Tally {
  int kills = 0;      ///< that hit a running command
  int opened = 0;     ///< of those: it had the bank open for writing
  int half_done = 0;  ///< of those: the bank was neither as before nor as at the end
  int late = 0;       ///< the command had ended before its time came; not counted as kills
  int finished = 0;   ///< reruns to the end, each compared with the bank that was made in one go
  double run_seconds = 0;  ///< an uninterrupted run
  double seconds = 0;      ///< all of it
};

/// Something was lost or damaged, or a command failed.
struct Broken : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// Works in `folder`: `whole` is the bank made in one go, `bank` the one that suffers.
class Torture {
 public:
  Torture(Scenario& scenario, const Path& folder, std::mt19937& random);
  /// Calls `progress` after each kill. Throws Broken, with the bank as it was found.
  Tally run(int kills, const std::function<void(const Tally&)>& progress);
  [[nodiscard]] Path whole() const { return folder_ / (scenario_.name() + "-whole"); }
  [[nodiscard]] Path bank() const { return folder_ / (scenario_.name() + "-bank"); }

 private:
  struct Attempt {
    bool killed = false;
    pid_t pid = 0;
    double seconds = 0;
  };

  void make_whole();
  Attempt attempt(const Path& bank, std::optional<double> kill_after);
  void look_after_kill(const Attempt& killed);
  void compare();
  void begin();
  [[nodiscard]] double expected_seconds() const;
  void adapt(double seconds);
  [[nodiscard]] std::string verify(const Path& bank) const;
  [[nodiscard]] std::string output() const;
  double uniform(double below);

  Scenario& scenario_;
  Path folder_;
  std::mt19937& random_;
  Tally tally_;
  int64_t start_ = 0;        ///< the scenario's progress before the command,
  int64_t end_ = 0;          ///< after it,
  int64_t reached_ = 0;      ///< and where the bank is now
  double idle_seconds_ = 0;  ///< a run that finds nothing to do
  double pace_ = 1;          ///< how much longer runs take than they did at first
};

}  // namespace memlong::kills
