// Kills the tools at random moments while they change a bank, runs them again, and checks that
// nothing is lost or damaged.
//   kills_test [--kills N] [--seed S]   default: 300 kills, a seed from the system
#include <cstdio>
#include <cstdlib>
#include <string_view>
#include <utility>

#include "tools/kills/torture.h"

namespace memlong::kills {
namespace {

struct Arguments {
  int kills = 300;
  unsigned seed = std::random_device{}();
};

bool parse(int argc, char** argv, Arguments& arguments) {
  for (int i = 1; i < argc; i += 2) {
    const std::string_view name = argv[i];
    char* end = nullptr;
    const unsigned long value = i + 1 < argc ? std::strtoul(argv[i + 1], &end, 10) : 0;
    if (end == nullptr || end == argv[i + 1] || *end != '\0') return false;
    if (name == "--kills" && value > 0 && value <= 1000000) {
      arguments.kills = static_cast<int>(value);
    } else if (name == "--seed") {
      arguments.seed = static_cast<unsigned>(value);
    } else {
      return false;
    }
  }
  return true;
}

class Run {
 public:
  explicit Run(const Arguments& arguments) : arguments_(arguments), random_(arguments.seed) {}

  int all() {
    std::printf("%d kills, seed %u\n", arguments_.kills, arguments_.seed);
    const Words corpus = write_corpus(folder_);
    const Path library = take(*reading(corpus));
    bool good = !library.empty() && !take(*talking()).empty();
    if (good) {
      for (const auto& scenario : upkeep(library)) good = good && !take(*scenario).empty();
    }
    print_table();
    std::printf(good ? "Nothing was lost or damaged.\n" : "BROKEN, see above. Seed: %u\n",
                arguments_.seed);
    return good ? 0 : 1;
  }

 private:
  /// Its part of the kills. The bank that was made in one go, "" when something broke.
  Path take(Scenario& scenario) {
    const int before = arguments_.kills * weight_ / 20;
    weight_ += scenario.weight();
    const int kills = arguments_.kills * weight_ / 20 - before;
    Torture torture(scenario, folder_.path(), random_);
    try {
      tallies_.emplace_back(scenario.name(), torture.run(kills, [&](const Tally& tally) {
        if (tally.kills % 10 == 0 || tally.kills == kills) {
          std::printf("%-8s %3d of %d kills, %.0f s\n", scenario.name().c_str(), tally.kills, kills,
                      tally.seconds);
          std::fflush(stdout);
        }
      }));
      return torture.whole();
    } catch (const std::exception& error) {
      const Path kept = folder_.path().string() + "-broken";
      std::filesystem::copy(torture.bank(), kept, std::filesystem::copy_options::recursive);
      std::printf("%s: %s\nThe bank is kept in %s\n", scenario.name().c_str(), error.what(),
                  kept.c_str());
      return {};
    }
  }

  void print_table() const {
    std::printf("\n%-8s %6s %10s %10s %6s %7s %9s %8s\n", "", "kills", "bank open", "half done",
                "late", "reruns", "a run", "all");
    Tally sum;
    for (const auto& [name, tally] : tallies_) {
      std::printf("%-8s %6d %10d %10d %6d %7d %7.2f s %6.0f s\n", name.c_str(), tally.kills,
                  tally.opened, tally.half_done, tally.late, tally.finished, tally.run_seconds,
                  tally.seconds);
      sum.kills += tally.kills;
      sum.opened += tally.opened;
      sum.half_done += tally.half_done;
      sum.late += tally.late;
      sum.finished += tally.finished;
      sum.seconds += tally.seconds;
    }
    std::printf("%-8s %6d %10d %10d %6d %7d %9s %6.0f s\n", "together", sum.kills, sum.opened,
                sum.half_done, sum.late, sum.finished, "", sum.seconds);
    std::puts(
        "kills: hit a running tool; bank open: it had the bank open for writing; half done: the\n"
        "bank was neither as before nor as at the end; late: the tool had ended before its time\n"
        "came (not counted); reruns: to the end, compared with the bank made in one go.");
  }

  Arguments arguments_;
  std::mt19937 random_;
  test::TempFolder folder_;
  int weight_ = 0;
  std::vector<std::pair<std::string, Tally>> tallies_;
};

}  // namespace
}  // namespace memlong::kills

int main(int argc, char** argv) {
  memlong::kills::Arguments arguments;
  if (!memlong::kills::parse(argc, argv, arguments)) {
    std::fputs("usage: kills_test [--kills N] [--seed S]\n", stderr);
    return 2;
  }
  return memlong::kills::Run(arguments).all();
}
