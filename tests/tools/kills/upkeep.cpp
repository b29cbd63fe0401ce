// memlong-bank, changing a bank that memlong-ingest has filled.
#include <stdexcept>
#include <utility>

#include "tools/bank_difference.h"
#include "tools/kills/scenario.h"
#include "tools/run_tool.h"

namespace memlong::kills {
namespace {

/// So many chunks go that it takes more than one commit.
class Pruning final : public Scenario {
 public:
  explicit Pruning(const Path& library) : Scenario("prune", 2, library) {}
  [[nodiscard]] Words words(const Path& bank) const override {
    return {"prune", "--bank", bank, "--policy", "memlong", "--budget-chunks", "1000", "-y"};
  }
};

class Compacting final : public Scenario {
 public:
  explicit Compacting(const Path& thinned) : Scenario("compact", 2, thinned) {}
  [[nodiscard]] Words words(const Path& bank) const override { return {"compact", "--bank", bank}; }

  /// The content never changes: what can be half done are the files.
  [[nodiscard]] int64_t progress(const Path& bank) const override {
    return std::filesystem::exists(bank / "data.mdb.new") ? 1 : 0;
  }

  [[nodiscard]] std::string difference(const Path& whole, const Path& bank) const override {
    if (progress(bank) != 0) return "data.mdb.new is left";
    const auto size = std::filesystem::file_size(bank / "data.mdb");
    if (size != std::filesystem::file_size(whole / "data.mdb")) return "size of data.mdb";
    return Scenario::difference(whole, bank);
  }
};

/// Every row, one of the long texts; several commits.
class Forgetting final : public Scenario {
 public:
  explicit Forgetting(const Path& library) : Scenario("forget", 2, library) {
    for (const membank::Document& document : open_bank(library)->snapshot()->documents()) {
      if (!document.name.ends_with("a.txt")) documents_.push_back(std::to_string(document.id));
    }
  }
  [[nodiscard]] Words words(const Path& bank) const override {
    Words all = {"forget", "--bank", bank, "--yes"};
    all.insert(all.end(), documents_.begin(), documents_.end());
    return all;
  }

 private:
  Words documents_;
};

class Importing final : public Scenario {
 public:
  explicit Importing(Path library) : Scenario("import", 2, {}), library_(std::move(library)) {}
  [[nodiscard]] Words words(const Path& bank) const override {
    return {"import", "--bank", bank, "--from", library_, "--quiet"};
  }

  /// A copy that was broken off and begun again has other numbers.
  [[nodiscard]] std::string difference(const Path& whole, const Path& bank) const override {
    return tools_test::bank_difference(whole, bank, {.numbers = false, .verify = false});
  }

 private:
  Path library_;
};

/// A copy of the library with much free space in it.
Path thinned(const Path& library) {
  const Path folder = library.string() + "-thinned";
  copy_folder(library, folder);
  const auto result = tools_test::run_tool(
      "memlong-bank",
      {"prune", "--bank", folder, "--budget-chunks", "4000", "--policy", "fifo", "-y"});
  if (result.code != 0) throw std::runtime_error(result.err);
  return folder;
}

}  // namespace

std::vector<std::unique_ptr<Scenario>> upkeep(const Path& library) {
  std::vector<std::unique_ptr<Scenario>> all;
  all.push_back(std::make_unique<Pruning>(library));
  all.push_back(std::make_unique<Compacting>(thinned(library)));
  all.push_back(std::make_unique<Forgetting>(library));
  all.push_back(std::make_unique<Importing>(library));
  return all;
}

}  // namespace memlong::kills
