#include "membank/verify.h"

#include <map>

#include "common/error.h"
#include "common/file.h"
#include "membank/pages.h"
#include "membank/verify_records.h"

namespace memlong::membank {
namespace {

constexpr int64_t kReportEvery = 256;
constexpr int kAttempts = 20;

using ProgressFn = std::function<void(int64_t done, int64_t total)>;

class Verifier {
 public:
  Verifier(const Fingerprint& fingerprint, const ProgressFn& progress)
      : check_(fingerprint, bad_), progress_(progress) {}

  /// False when the pages have moved on before they could be looked at.
  bool run(const MappedFile& file, uint64_t transaction) {
    PageWalker walker(file.bytes(), [&](uint64_t page, const std::string& what) {
      bad_.push_back({database_, "page " + std::to_string(page), what});
    });
    if (!walker.load_meta(transaction)) return false;
    database_ = "(main)";
    const std::map<std::string, Tree> trees = walker.databases();
    for (const auto& [name, tree] : trees) total_ += static_cast<int64_t>(tree.entries);
    for (const Db db : kVerifyOrder) {
      database_ = db_name(db);
      const auto tree = trees.find(database_);
      if (tree == trees.end()) {
        bad_.push_back({database_, "", "the database is missing"});
        continue;
      }
      walker.walk(tree->second, [&](std::string_view key, std::string_view value) {
        check_.record(db, key, value);
        if (progress_ && ++done_ % kReportEvery == 0) progress_(done_, total_);
      });
    }
    database_ = "(free pages)";
    walker.check_free_list();
    check_.finish();
    if (progress_) progress_(done_, total_);
    return true;
  }

  std::vector<BadRecord> take() { return std::move(bad_); }

 private:
  std::vector<BadRecord> bad_;
  RecordCheck check_;
  const ProgressFn& progress_;
  std::string database_;
  int64_t done_ = 0;
  int64_t total_ = 0;
};

}  // namespace

std::vector<BadRecord> verify_bank(const std::shared_ptr<Env>& env, const Fingerprint& fingerprint,
                                   const ProgressFn& progress) {
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    const Txn pinned(env, false);
    Verifier verifier(fingerprint, progress);
    if (verifier.run(env->map_file(), pinned.id())) return verifier.take();
  }
  return {{"(meta)", "page 0", "no meta page is right"}};
}

}  // namespace memlong::membank
