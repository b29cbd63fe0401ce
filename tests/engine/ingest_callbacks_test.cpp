// What an ingest tells its caller, it tells one thing at a time.
#include <atomic>
#include <chrono>
#include <thread>

#include <gtest/gtest.h>

#include "engine/ingest.h"
#include "support/reference_model.h"

namespace memlong::engine {
namespace {

TEST(IngestCallbacks, NeverRunSideBySide) {
  const test::TempFolder folder;
  Context context;
  const auto model = test::reference_model(context, DType::bf16);
  const std::shared_ptr<membank::Bank> bank =
      membank::Bank::open(folder.path() / "bank",
                          {.mode = membank::OpenMode::write, .fingerprint = model->fingerprint()});
  const auto list =
      list_sources({folder.write("a.txt", "One day."), folder.write("b.txt", "Two days.")}, {});
  Ingestor ingestor(context, model, bank, {});
  std::atomic<int> inside{0};
  int documents = 0;  // not atomic, and need not be
  int reports = 0;
  ingestor.on_document = [&](const DocumentReport&) {
    EXPECT_EQ(++inside, 1);
    ++documents;
    std::this_thread::sleep_for(std::chrono::milliseconds(300));  // progress is due meanwhile
    --inside;
  };
  ingestor.on_progress = [&](const IngestProgress& progress) {
    EXPECT_EQ(++inside, 1);
    ++reports;
    EXPECT_EQ(progress.documents, documents);
    --inside;
  };
  EXPECT_EQ(ingestor.run(list.sources).documents_new, 2);
  EXPECT_EQ(documents, 2);
  EXPECT_GT(reports, 0);
}

}  // namespace
}  // namespace memlong::engine
