// Several windows at once: the same bank as one by one.
#include <atomic>
#include <cmath>
#include <filesystem>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "engine/ingest.h"
#include "membank/bank.h"
#include "support/paths.h"
#include "support/reference_model.h"

namespace memlong::engine {
namespace {

namespace fs = std::filesystem;

class IngestWindows : public testing::Test {
 protected:
  void SetUp() override {
    model_ = load_model(context_, {.folder = test::source_dir() + "/models/reference",
                                   .settings = std::nullopt,
                                   .dtype = DType::f32,
                                   .writer_only = true});
    std::vector<std::string> paths;
    for (const int lines : {3, 90, 1, 20, 150, 7, 2}) {
      std::string text;
      for (int i = 0; i < lines; ++i) {
        text += "Line " + std::to_string(i * 7 + lines) + " of a story about the sea.\n";
      }
      paths.push_back(folder_.write("story" + std::to_string(lines) + ".txt", text));
    }
    sources_ = list_sources(paths, {}).sources;
  }

  std::shared_ptr<membank::Bank> bank(const std::string& name) {
    return membank::Bank::open(
        folder_.path() / name,
        {.mode = membank::OpenMode::write, .fingerprint = model_->fingerprint(DType::f32)});
  }

  IngestTotals ingest(const std::shared_ptr<membank::Bank>& bank, int64_t windows,
                      int stop_after = -1) {
    IngestOptions options;
    options.windows = windows;
    options.commit_chunks = 5;
    options.commit_seconds = 1e6;
    Ingestor ingestor(context_, model_, bank, options);
    std::atomic<bool> stop{false};
    ingestor.stop = &stop;
    ingestor.on_document = [&](const DocumentReport&) {
      if (--stop_after == 0) stop = true;
    };
    return ingestor.run(sources_);
  }

  Context context_;
  std::shared_ptr<const LoadedModel> model_;
  const test::TempFolder folder_;
  std::vector<Source> sources_;
};

std::vector<float> keys_values(const membank::Snapshot& bank, const membank::ChunkInfo& info,
                               const membank::Fingerprint& fingerprint) {
  const Tensor kv({2 * fingerprint.kv_heads, info.tokens, fingerprint.head_dim}, DType::f32);
  EXPECT_TRUE(bank.read_kv(info.id, kv.view().slice(0, 0, fingerprint.kv_heads),
                           kv.view().slice(0, fingerprint.kv_heads, 2 * fingerprint.kv_heads)));
  return {kv.data<float>(), kv.data<float>() + kv.view().elements()};
}

double relative_difference(const std::vector<float>& a, const std::vector<float>& b) {
  EXPECT_EQ(a.size(), b.size());
  double difference = 0.0;
  double norm = 0.0;
  for (size_t i = 0; i < a.size(); ++i) {
    difference += (double{a[i]} - b[i]) * (double{a[i]} - b[i]);
    norm += double{b[i]} * b[i];
  }
  return std::sqrt(difference / norm);
}

/// Documents, texts and chunks in one order, K and V equal but for rounding.
void expect_same(const membank::Bank& found, const membank::Bank& wanted) {
  const auto a = found.snapshot();
  const auto b = wanted.snapshot();
  const auto documents = a->documents();
  ASSERT_EQ(documents.size(), b->documents().size());
  for (size_t i = 0; i < documents.size(); ++i) {
    const membank::Document other = b->documents()[i];
    EXPECT_EQ(documents[i].name, other.name);
    EXPECT_EQ(documents[i].chunks, other.chunks);
    EXPECT_EQ(documents[i].tokens, other.tokens);
    EXPECT_EQ(a->text(documents[i].id), b->text(other.id));
    EXPECT_TRUE(documents[i].complete);
  }
  std::vector<membank::ChunkInfo> chunks;
  std::vector<membank::ChunkInfo> others;
  a->for_each_chunk(0, [&](const membank::ChunkInfo& info) { chunks.push_back(info); });
  b->for_each_chunk(0, [&](const membank::ChunkInfo& info) { others.push_back(info); });
  ASSERT_EQ(chunks.size(), others.size());
  ASSERT_GT(chunks.size(), 50U);
  for (size_t i = 0; i < chunks.size(); ++i) {
    EXPECT_EQ(chunks[i].document, others[i].document) << i;
    EXPECT_EQ(chunks[i].begin, others[i].begin) << i;
    EXPECT_EQ(a->chunk_tokens(chunks[i].id), b->chunk_tokens(others[i].id));
    EXPECT_EQ(a->chunk_vector(chunks[i].id), b->chunk_vector(others[i].id));
    EXPECT_LE(relative_difference(keys_values(*a, chunks[i], found.fingerprint()),
                                  keys_values(*b, others[i], wanted.fingerprint())),
              1e-5)
        << i;
  }
}

TEST_F(IngestWindows, GiveTheSameBankInTheSameOrder) {
  const auto alone = bank("alone");
  const IngestTotals totals = ingest(alone, 1);
  EXPECT_EQ(totals.documents_new, 7);
  for (const int64_t windows : {2, 5}) {
    const auto together = bank("together" + std::to_string(windows));
    const IngestTotals others = ingest(together, windows);
    EXPECT_EQ(others.documents_new, 7);
    EXPECT_EQ(others.chunks, totals.chunks);
    EXPECT_EQ(others.tokens, totals.tokens);
    expect_same(*together, *alone);
  }
}

TEST_F(IngestWindows, AreTakenUpAgainWhereTheyWereStopped) {
  const auto alone = bank("alone");
  ingest(alone, 1);
  const auto stopped = bank("stopped");
  const IngestTotals first = ingest(stopped, 3, 2);
  EXPECT_TRUE(first.stopped);
  EXPECT_GT(first.chunks, 0);
  const IngestTotals rest = ingest(stopped, 3);
  EXPECT_FALSE(rest.stopped);
  EXPECT_EQ(rest.documents_failed, 0);
  expect_same(*stopped, *alone);
}

}  // namespace
}  // namespace memlong::engine
