#include "membank/retention.h"

#include <set>
#include <signal.h>
#include <vector>

#include <gtest/gtest.h>

#include "membank/bank_fixture.h"
#include "membank/child_process.h"

namespace memlong::membank {
namespace {

using testing::add_text;
using testing::error_of;
using testing::findings;
using testing::in_child;
using testing::open_reader;
using testing::open_writer;
using testing::TempFolder;
using testing::wait_for;
using Ids = std::vector<ChunkId>;

/// Chunks 1, 2, .. with these use counts, made at times 1, 2, ..
std::vector<ChunkInfo> chunks(const std::vector<uint64_t>& hits) {
  std::vector<ChunkInfo> all(hits.size());
  for (size_t i = 0; i < all.size(); ++i) {
    all[i].id = i + 1;
    all[i].hits = hits[i];
    all[i].created = static_cast<int64_t>(i) + 1;
  }
  return all;
}

TEST(Retention, TheMemLongRule) {
  // 20 chunks: 1, 2 are the oldest tenth, 19, 20 the newest.
  const auto all = chunks({9, 9, 5, 0, 3, 0, 2, 7, 1, 4, 6, 8, 1, 0, 2, 3, 9, 9, 0, 0});
  struct Row {
    int64_t target;
    Ids going;
  };
  const std::vector<Row> rows = {
      {25, {}},
      {20, {}},
      {19, {1}},     // stops within the oldest tenth
      {18, {1, 2}},  // the oldest tenth alone is enough, though often used
      {17, {1, 2, 4}},
      {15, {1, 2, 4, 6, 14}},                   // least retrieved, ties by age
      {13, {1, 2, 4, 6, 14, 9, 13}},            // then those with one
      {10, {1, 2, 4, 6, 14, 9, 13, 7, 15, 5}},  // exactly half
      {2, {1, 2, 4, 6, 14, 9, 13, 7, 15, 5, 16, 10, 3, 11, 8, 12, 17, 18}},
      {1, {1, 2, 4, 6, 14, 9, 13, 7, 15, 5, 16, 10, 3, 11, 8, 12, 17, 18, 19}},
  };
  for (const Row& row : rows) {
    EXPECT_EQ(plan_retention(RetentionPolicy::memlong, all, row.target), row.going)
        << "target " << row.target;
  }
}

TEST(Retention, FewChunksHaveNoProtectedTenth) {
  const auto all = chunks({3, 0, 1, 0});
  EXPECT_EQ(plan_retention(RetentionPolicy::memlong, all, 2), (Ids{2, 4}));
  EXPECT_EQ(plan_retention(RetentionPolicy::memlong, {}, 2), Ids{});
}

TEST(Retention, OtherPolicies) {
  auto all = chunks({3, 0, 1, 0, 2});
  all[0].last_hit = 50;
  all[2].last_hit = 20;
  all[4].last_hit = 20;
  EXPECT_EQ(plan_retention(RetentionPolicy::none, all, 1), Ids{});
  EXPECT_EQ(plan_retention(RetentionPolicy::fifo, all, 2), (Ids{1, 2, 3}));
  EXPECT_EQ(plan_retention(RetentionPolicy::lru, all, 1), (Ids{2, 4, 3, 5}));
  EXPECT_EQ(plan_retention(RetentionPolicy::fifo, all, -3), (Ids{1, 2, 3, 4, 5}));
}

TEST(Retention, AnImportedChunkIsAsOldAsItWas) {
  auto all = chunks({0, 0, 0, 0, 0, 0, 0, 0, 0, 0});
  for (ChunkInfo& chunk : all) chunk.created = 100;
  all[8].created = 5;  // copied last, made first
  all[9].created = 4;
  EXPECT_EQ(plan_retention(RetentionPolicy::fifo, all, 7), (Ids{10, 9, 1}));
  EXPECT_EQ(plan_retention(RetentionPolicy::memlong, all, 7), (Ids{10, 9, 1}));
  EXPECT_EQ(plan_retention(RetentionPolicy::lru, all, 7), (Ids{10, 9, 1}));
}

TEST(Retention, Names) {
  for (const char* name : {"none", "memlong", "fifo", "lru"}) {
    EXPECT_EQ(retention_name(parse_retention(name)), name);
  }
  EXPECT_EQ(error_of([] { parse_retention("lifo"); }).kind(), ErrorKind::usage);
}

std::set<ChunkId> ids_of(const Bank& bank) {
  std::set<ChunkId> ids;
  bank.snapshot()->for_each_chunk(0, [&](const ChunkInfo& info) { ids.insert(info.id); });
  return ids;
}

TEST(Retention, ABankPastItsBudgetComesDownToHalfOfIt) {
  const TempFolder folder;
  const auto bank = open_writer(folder.path());
  const DocumentId id = add_text(*bank, "a", 21, 0);
  const RetentionBudget budget{RetentionPolicy::memlong, 20, 0};
  bank->count_hits(Ids{3, 4, 5, 6, 7, 8});  // not flushed yet: counted all the same
  const Removed plan = apply_retention(*bank, budget, true);
  EXPECT_EQ(plan.chunks, 11);
  EXPECT_EQ(plan.tokens, 88);
  EXPECT_EQ(bank->snapshot()->stats().chunks, 21);
  const Removed removed = apply_retention(*bank, budget);
  EXPECT_EQ(removed.chunks, 11);
  EXPECT_EQ(removed.tokens, 88);
  EXPECT_EQ(ids_of(*bank), (std::set<ChunkId>{3, 4, 5, 6, 7, 8, 18, 19, 20, 21}));
  EXPECT_EQ(bank->snapshot()->document(id)->chunks, 10);
  EXPECT_EQ(findings(*bank), "");
  EXPECT_EQ(apply_retention(*bank, budget).chunks, 0);  // within the budget now
}

/// A bank that counts who reads all its chunks.
class Counted : public Bank {
 public:
  explicit Counted(std::unique_ptr<Bank> bank) : bank_(std::move(bank)) {}
  [[nodiscard]] const std::filesystem::path& folder() const override { return bank_->folder(); }
  [[nodiscard]] const Fingerprint& fingerprint() const override { return bank_->fingerprint(); }
  [[nodiscard]] bool writable() const override { return bank_->writable(); }
  [[nodiscard]] std::unique_ptr<Snapshot> snapshot() const override {
    ++snapshots;
    return bank_->snapshot();
  }
  void update(const std::function<void(Transaction&)>& fn) override { bank_->update(fn); }
  Removed remove_chunks(std::span<const ChunkId> ids) override {
    ++removals;
    return bank_->remove_chunks(ids);
  }
  void count_hits(std::span<const ChunkId> ids) override { bank_->count_hits(ids); }
  void flush_hits() override {
    ++flushes;
    bank_->flush_hits();
  }
  [[nodiscard]] std::vector<BadRecord> verify(
      const std::function<void(int64_t, int64_t)>& progress) const override {
    return bank_->verify(progress);
  }
  void compact() override { bank_->compact(); }

  mutable int snapshots = 0;
  int flushes = 0;
  int removals = 0;

 private:
  std::unique_ptr<Bank> bank_;
};

TEST(Retention, WithinItsBudgetABankIsNotRead) {
  const TempFolder folder;
  Counted bank(open_writer(folder.path()));
  add_text(bank, "a", 20, 0);
  bank.update([&](Transaction& t) { testing::append(t, 1, bank.fingerprint(), 30, 3); });
  constexpr int64_t kBytes = 20 * (512 + 32 + 32) + (3 * 64 + 32 + 12);
  // A count: only the state is read. Otherwise another snapshot reads all chunks.
  const auto reads = [&](const RetentionBudget& budget) {
    bank.snapshots = bank.flushes = bank.removals = 0;
    apply_retention(bank, budget, true);
    return bank.snapshots;
  };
  EXPECT_EQ(reads({RetentionPolicy::none, 1, 1}), 0);
  EXPECT_EQ(reads({RetentionPolicy::fifo, 0, 0}), 0);
  EXPECT_EQ(reads({RetentionPolicy::memlong, 21, kBytes}), 1);
  EXPECT_EQ(bank.flushes, 0);
  EXPECT_EQ(reads({RetentionPolicy::memlong, 21, kBytes - 1}), 2);
  EXPECT_EQ(reads({RetentionPolicy::memlong, 20, kBytes}), 2);
  EXPECT_EQ(bank.flushes, 1);
}

TEST(Retention, ABudgetOfBytes) {
  const TempFolder folder;
  const auto bank = open_writer(folder.path());
  add_text(*bank, "a", 20, 0);
  // A chunk: 2 * 2 heads * 8 tokens * 8 * 2 bytes, a vector of 16 halves, 8 tokens of 4 bytes.
  constexpr int64_t kChunk = 512 + 32 + 32;
  EXPECT_EQ(apply_retention(*bank, {RetentionPolicy::fifo, 0, 20 * kChunk}).chunks, 0);
  EXPECT_EQ(apply_retention(*bank, {RetentionPolicy::none, 0, 1}).chunks, 0);
  EXPECT_EQ(apply_retention(*bank, {RetentionPolicy::fifo, 0, 20 * kChunk - 1}).chunks, 11);
  EXPECT_EQ(*ids_of(*bank).begin(), 12U);
}

TEST(Retention, APruneThatIsKilledIsFinishedByTheNextWriter) {
  const TempFolder folder;
  const RetentionBudget budget{RetentionPolicy::memlong, 2000, 0};
  { add_text(*open_writer(folder.path() / "before"), "a", 10000, 0); }
  std::filesystem::copy(folder.path() / "before", folder.path() / "whole");
  apply_retention(*open_writer(folder.path() / "whole"), budget);
  const std::set<ChunkId> wanted = ids_of(*open_reader(folder.path() / "whole"));
  EXPECT_EQ(wanted.size(), 1000U);

  const auto killed = folder.path() / "killed";
  int64_t left = 0;
  for (int tries = 0; tries < 20 && (left <= 1000 || left == 10000); ++tries) {
    std::filesystem::remove_all(killed);
    std::filesystem::copy(folder.path() / "before", killed);
    const pid_t pruning = in_child([&] {
      apply_retention(*open_writer(killed), budget);
      return 0;
    });
    const auto bank = open_reader(killed);
    for (int i = 0; i < 10000 && bank->snapshot()->stats().chunks == 10000; ++i) ::usleep(200);
    ::kill(pruning, SIGKILL);
    wait_for(pruning);
    left = bank->snapshot()->stats().chunks;
    EXPECT_EQ(findings(*bank), "");
  }
  ASSERT_LT(left, 10000);
  ASSERT_GT(left, 1000) << "no kill came between two commits";
  // Another command than the prune.
  const auto bank = open_writer(killed);
  EXPECT_EQ(ids_of(*bank), wanted);
  EXPECT_EQ(apply_retention(*bank, budget).chunks, 0);
  EXPECT_EQ(findings(*bank), "");
}

}  // namespace
}  // namespace memlong::membank
