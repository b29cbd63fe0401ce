// The pipeline when one of its stages cannot go on: it ends, and says why.
#include <atomic>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "common/error.h"
#include "engine/ingest.h"
#include "engine/ingest_queue.h"
#include "support/paths.h"
#include "support/temp_folder.h"

namespace memlong::engine {
namespace {

namespace fs = std::filesystem;
using membank::Bank;

/// A bank whose n-th commit fails, and that tells when it is looked into and written to.
class FailingBank : public Bank {
 public:
  FailingBank(std::unique_ptr<Bank> bank, int commits) : bank_(std::move(bank)), left_(commits) {}
  [[nodiscard]] const fs::path& folder() const override { return bank_->folder(); }
  [[nodiscard]] const membank::Fingerprint& fingerprint() const override {
    return bank_->fingerprint();
  }
  [[nodiscard]] bool writable() const override { return true; }
  [[nodiscard]] std::unique_ptr<membank::Snapshot> snapshot() const override {
    if (at_snapshot) at_snapshot();
    return bank_->snapshot();
  }
  void update(const std::function<void(membank::Transaction&)>& fn) override {
    if (left_-- == 0) fail(ErrorKind::capacity, "the disk is full");
    if (before_update) before_update(*bank_);
    bank_->update(fn);
  }
  membank::Removed remove_chunks(std::span<const membank::ChunkId> ids) override {
    return bank_->remove_chunks(ids);
  }
  void count_hits(std::span<const membank::ChunkId> ids) override { bank_->count_hits(ids); }
  void flush_hits() override { bank_->flush_hits(); }
  [[nodiscard]] std::vector<membank::BadRecord> verify(
      const std::function<void(int64_t, int64_t)>& progress) const override {
    return bank_->verify(progress);
  }
  void compact() override { bank_->compact(); }

  std::function<void()> at_snapshot;
  std::function<void(Bank&)> before_update;

 private:
  std::unique_ptr<Bank> bank_;
  int left_;
};

class Pipeline : public testing::Test {
 protected:
  void SetUp() override {
    model_ = load_model(context_, {.folder = test::source_dir() + "/models/reference",
                                   .settings = std::nullopt,
                                   .dtype = DType::bf16,
                                   .writer_only = true});
    std::ofstream text(top_ / "text.txt");
    for (int i = 0; i < 3000; ++i) text << "Line " << i << " of a long story about the sea.\n";
  }

  std::shared_ptr<FailingBank> bank(int commits) {
    return std::make_shared<FailingBank>(
        Bank::open(top_ / "bank",
                   {.mode = membank::OpenMode::write, .fingerprint = model_->fingerprint()}),
        commits);
  }

  [[nodiscard]] std::vector<Source> sources() const {
    return list_sources({(top_ / "text.txt").string()}, {}).sources;
  }

  Context context_;
  std::shared_ptr<const LoadedModel> model_;
  const test::TempFolder folder_;
  const fs::path top_ = folder_.path();
};

TEST_F(Pipeline, EndsWhenTheBankFailsAndKeepsWhatWasCommitted) {
  IngestOptions options;
  options.commit_chunks = 16;
  options.commit_seconds = 1e6;  // however slow the machine
  {
    Ingestor ingestor(context_, model_, bank(2), options);
    try {
      ingestor.run(sources());
      FAIL() << "the error was lost";
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::capacity);
    }
  }
  const auto rest = bank(-1);
  const auto stored = rest->snapshot()->documents();
  ASSERT_EQ(stored.size(), 1U);
  EXPECT_FALSE(stored[0].complete);
  EXPECT_EQ(stored[0].chunks, 32);
  const IngestTotals totals = Ingestor(context_, model_, rest, options).run(sources());
  EXPECT_EQ(totals.documents_resumed, 1);
  EXPECT_TRUE(rest->snapshot()->documents().at(0).complete);
}

/// A text is read twice: is it known, and what does it say? Between the two the bank is asked.
TEST_F(Pipeline, AFileThatChangesWhileItIsReadIsNamedAndNothingOfItStays) {
  std::string story;
  for (int i = 0; i < 60; ++i) story += "Line " + std::to_string(i) + " of another story.\n";
  const std::string changing = folder_.write("changing.txt", story);
  const std::string other = folder_.write("other.txt", "A text that stays as it is.\n");
  IngestOptions options;
  options.commit_chunks = 2;
  const auto target = bank(-1);
  target->at_snapshot = [&] { std::ofstream(changing, std::ios::app) << "More.\n"; };
  Ingestor ingestor(context_, model_, target, options);
  std::vector<DocumentReport> reports;
  ingestor.on_document = [&](const DocumentReport& report) {
    if (report.outcome == DocumentOutcome::failed) reports.push_back(report);
  };
  const IngestTotals totals = ingestor.run(list_sources({changing, other}, {}).sources);
  target->at_snapshot = nullptr;
  EXPECT_EQ(totals.documents_failed, 1);
  EXPECT_EQ(totals.documents_new, 1);
  ASSERT_EQ(reports.size(), 1U);
  EXPECT_EQ(reports[0].name, changing);
  EXPECT_EQ(reports[0].problem, "the file changed while it was read; run again");
  const auto stored = target->snapshot()->documents();
  ASSERT_EQ(stored.size(), 1U);
  EXPECT_EQ(stored[0].name, other);
  EXPECT_EQ(target->snapshot()->stats().chunks, 1);
  EXPECT_TRUE(target->verify({}).empty());
}

TEST_F(Pipeline, StopsWhenAsked) {
  const auto target = bank(-1);
  Ingestor ingestor(context_, model_, target, {});
  std::atomic<bool> stop{true};
  ingestor.stop = &stop;
  const IngestTotals totals = ingestor.run(sources());
  EXPECT_TRUE(totals.stopped);
  EXPECT_EQ(totals.chunks, 0);
}

TEST(BoundedQueue, WaitsForRoomAndTakesWhatIsTooLarge) {
  BoundedQueue<int> queue(10);
  EXPECT_TRUE(queue.push(1, 100));
  std::atomic<bool> pushed{false};
  std::thread producer([&] {
    EXPECT_TRUE(queue.push(2, 1));
    pushed = true;
  });
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  EXPECT_FALSE(pushed);
  EXPECT_EQ(queue.pop(), 1);
  producer.join();
  bool late = false;
  EXPECT_EQ(queue.pop_until(std::chrono::steady_clock::now(), late), 2);
  EXPECT_EQ(queue.pop_until(std::chrono::steady_clock::now(), late), std::nullopt);
  EXPECT_TRUE(late);
  EXPECT_TRUE(queue.push(3, 1));
  queue.close();
  EXPECT_FALSE(queue.push(4, 1));
  EXPECT_EQ(queue.pop(), 3);
  EXPECT_EQ(queue.pop(), std::nullopt);
}

TEST(BoundedQueue, CancelWakesAWaitingProducer) {
  BoundedQueue<int> queue(1);
  EXPECT_TRUE(queue.push(1, 1));
  std::thread producer([&] { EXPECT_FALSE(queue.push(2, 1)); });
  queue.cancel();
  producer.join();
  EXPECT_EQ(queue.pop(), std::nullopt);
}

TEST_F(Pipeline, GoesOnWhereATextIsForgottenMeanwhile) {
  std::string story;
  for (int i = 0; i < 300; ++i) story += "Line " + std::to_string(i) + " of a long story.\n";
  const std::string long_one = folder_.write("long.txt", story);
  const std::string short_one = folder_.write("short.txt", "A short story.");
  IngestOptions options;
  options.commit_chunks = 4;
  const auto kept = bank(-1);
  int commits = 0;
  kept->before_update = [&](Bank& inner) {
    if (++commits != 3) return;
    const auto documents = inner.snapshot()->documents();
    ASSERT_EQ(documents.size(), 1U);
    EXPECT_EQ(documents[0].name, long_one);
    EXPECT_FALSE(documents[0].complete);
    inner.update([&](membank::Transaction& change) { change.forget(documents[0].id); });
  };
  Ingestor ingestor(context_, model_, kept, options);
  std::vector<DocumentReport> reports;
  ingestor.on_document = [&](const DocumentReport& report) { reports.push_back(report); };
  const IngestTotals totals = ingestor.run(list_sources({long_one, short_one}, {}).sources);
  EXPECT_EQ(totals.documents_failed, 1);
  EXPECT_EQ(totals.documents_new, 1);
  ASSERT_EQ(reports.size(), 2U);
  EXPECT_EQ(reports[0].name, long_one);
  EXPECT_EQ(reports[0].problem, "it was forgotten while it was memorized");
  EXPECT_EQ(reports[0].kind, ErrorKind::busy);
  EXPECT_EQ(reports[1].name, short_one);
  const auto snapshot = kept->snapshot();
  const auto documents = snapshot->documents();
  ASSERT_EQ(documents.size(), 1U);
  EXPECT_EQ(documents[0].name, short_one);
  EXPECT_EQ(snapshot->stats().chunks, 1);
  EXPECT_TRUE(kept->verify({}).empty());

  // It can be memorized again.
  EXPECT_EQ(ingestor.run(list_sources({long_one}, {}).sources).documents_new, 1);
}

}  // namespace
}  // namespace memlong::engine
