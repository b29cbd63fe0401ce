// memlong-chat, answering one message after the other in a session that is kept.
#include <algorithm>
#include <array>

#include "tools/bank_difference.h"
#include "tools/kills/scenario.h"
#include "tools/run_tool.h"

namespace memlong::kills {
namespace {

constexpr int kMessages = 48;
/// A session that is taken up reads its window in one piece, and sums then round otherwise. In f32
/// that decides no answer; what is kept of K and V is bf16.
constexpr double kRounding = 0.01;

std::string message(int number) {
  constexpr std::array<const char*, 5> things = {"glasses", "keys", "hat", "book", "umbrella"};
  constexpr std::array<const char*, 4> places = {"piano", "table", "shelf", "desk"};
  constexpr std::array<const char*, 7> cities = {"Paris",    "London",  "Sydney", "Seattle",
                                                 "Portland", "Atlanta", "Boston"};
  const auto i = static_cast<size_t>(number);
  const std::string thing = things[i / 3 % things.size()];
  if (i % 3 == 0) return "I left my " + thing + " on the " + places[i / 3 % places.size()] + ".";
  if (i % 3 == 1) return std::string("Find me a flight to ") + cities[i / 3 % cities.size()] + ".";
  return "Where did I leave my " + thing + "?";
}

std::vector<membank::Turn> kept_turns(const Path& folder) {
  const auto bank = open_bank(folder);
  if (bank == nullptr) return {};
  const auto snapshot = bank->snapshot();
  const auto dialog = snapshot->find_name("default", "talk", membank::DocumentKind::dialog);
  return dialog ? snapshot->turns(dialog->id) : std::vector<membank::Turn>();
}

class Talking final : public Scenario {
 public:
  Talking() : Scenario("chat", 6, {}) {}
  [[nodiscard]] std::string tool() const override { return "memlong-chat"; }

  [[nodiscard]] Words words(const Path& bank) const override {
    return {"--model",  tools_test::reference_model(),
            "--bank",   bank,
            "--greedy", "--session",
            "talk",     "--threads",
            "1",        "--dtype",
            "f32",      "--history",
            "",         "--quiet"};
  }

  /// The messages that have no answer in the bank.
  [[nodiscard]] std::string input() const override {
    std::string lines;
    for (int i = answered_; i < kMessages; ++i) lines += message(i) + "\n";
    return lines;
  }

  [[nodiscard]] int64_t progress(const Path& bank) const override {
    return static_cast<int64_t>(kept_turns(bank).size());
  }

  /// A line is ended when its answer is kept: all of these must be there, and at most the next one.
  std::string look(const Path& bank, const Path& whole, const std::string& output) override {
    const std::vector<membank::Turn> turns = kept_turns(bank);
    const std::vector<membank::Turn> all = kept_turns(whole);
    const auto printed = static_cast<int>(std::count(output.begin(), output.end(), '\n'));
    const auto kept = static_cast<int>(turns.size()) / 2;
    if (turns.size() % 2 != 0) return "a message is kept without its answer";
    if (kept < answered_ + printed || kept > answered_ + printed + 1) {
      return std::to_string(kept) + " answers are kept of " + std::to_string(answered_) +
             " before and " + std::to_string(printed) + " that were printed to the end";
    }
    for (size_t i = 0; i < turns.size(); ++i) {
      if (turns[i].content != all[i].content || turns[i].role != all[i].role) {
        return "turn " + std::to_string(i) + " is another";
      }
    }
    answered_ = kept;
    return {};
  }

  [[nodiscard]] std::string difference(const Path& whole, const Path& bank) const override {
    return tools_test::bank_difference(whole, bank,
                                       {.numbers = true, .verify = false, .rounding = kRounding});
  }

  void begin(const Path& bank) override {
    Scenario::begin(bank);
    answered_ = 0;
  }

 private:
  int answered_ = 0;
};

}  // namespace

std::unique_ptr<Scenario> talking() { return std::make_unique<Talking>(); }

}  // namespace memlong::kills
