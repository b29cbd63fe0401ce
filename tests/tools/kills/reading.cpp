// memlong-ingest, reading text into a new bank.
#include "support/paths.h"
#include "tools/kills/scenario.h"
#include "tools/run_tool.h"

namespace memlong::kills {
namespace {

constexpr int kRows = 100;

class Reading final : public Scenario {
 public:
  explicit Reading(Words corpus) : Scenario("ingest", 6, {}), corpus_(std::move(corpus)) {}
  [[nodiscard]] std::string tool() const override { return "memlong-ingest"; }

  /// Short chunks make many of them; f32 makes them large enough for an import in several commits.
  [[nodiscard]] Words words(const Path& bank) const override {
    Words all = {"--model", tools_test::reference_model(),
                 "--bank",  bank,
                 "--chunk", "8",
                 "--quiet", "--kv-dtype",
                 "f32",     "--commit-chunks",
                 "64",      "--threads",
                 "1"};
    all.insert(all.end(), corpus_.begin(), corpus_.end());
    return all;
  }

  /// Every commit of a run stays: a later run never finds less than an earlier one left.
  std::string look(const Path& bank, const Path& /*whole*/,
                   const std::string& /*output*/) override {
    const int64_t kept = progress(bank);
    const std::string lost = kept < kept_ ? "what an earlier run committed is gone" : "";
    kept_ = kept;
    return lost;
  }

  void begin(const Path& bank) override {
    Scenario::begin(bank);
    kept_ = 0;
  }

 private:
  Words corpus_;
  int64_t kept_ = 0;
};

}  // namespace

Words write_corpus(const test::TempFolder& folder) {
  const std::string novel = tools_test::slurp(test::source_dir() + "/examples/novel.txt");
  std::string rows;
  for (int i = 0; i < kRows; ++i) {
    rows += "{\"text\": \"Row " + std::to_string(i) +
            " says that the sea is calm tonight.\", \"namespace\": \"rows\"}\n";
  }
  return {folder.write("rows.jsonl", rows), folder.write("a.txt", novel.substr(0, 60000)),
          folder.write("b.txt", novel.substr(200000, 90000))};
}

std::unique_ptr<Scenario> reading(const Words& corpus) { return std::make_unique<Reading>(corpus); }

}  // namespace memlong::kills
