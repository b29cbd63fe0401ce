#include "engine/memory.h"

#include <fstream>
#include <random>
#include <set>

#include <gtest/gtest.h>

#include "common/error.h"
#include "common/file.h"
#include "support/reference_model.h"
#include "support/temp_folder.h"

namespace memlong::engine {
namespace {

constexpr int32_t kDim = 16;

class MemoryTest : public testing::TestWithParam<retriever::IndexKind> {
 protected:
  MemoryTest() : bank_(open()) {}

  std::shared_ptr<membank::Bank> open() {
    membank::Fingerprint fingerprint;
    fingerprint.tokenizer = "t";
    fingerprint.writer = "w";
    fingerprint.kv_heads = 1;
    fingerprint.head_dim = 2;
    fingerprint.chunk_tokens = 4;
    fingerprint.embedder = "sif";
    fingerprint.embedder_dim = kDim;
    return membank::Bank::open(folder_.path() / "bank",
                               {.mode = membank::OpenMode::write, .fingerprint = fingerprint});
  }

  std::vector<float> random_vector() {
    std::normal_distribution<float> normal;
    std::vector<float> vector(kDim);
    for (float& value : vector) value = normal(generator_);
    return vector;
  }

  membank::DocumentId add_document(int chunks, const std::string& name_space = "default") {
    membank::DocumentId id = 0;
    bank_->update([&](membank::Transaction& transaction) {
      id = transaction.create_document({.name = "d", .name_space = name_space});
      const Tensor kv = Tensor::zeros({1, 4, 2}, DType::bf16);
      const std::vector<int32_t> ids = {1, 2, 3, 4};
      for (int i = 0; i < chunks; ++i) transaction.append_chunk(id, ids, random_vector(), kv, kv);
      transaction.finish_document(id);
    });
    return id;
  }

  [[nodiscard]] retriever::IndexOptions options() const { return {.kind = GetParam()}; }

  static void expect_same(const Memory& a, const Memory& b,
                          std::span<const std::vector<float>> queries) {
    const auto all = [](const membank::ChunkInfo&) { return true; };
    const auto x = a.search(queries, 10, all);
    const auto y = b.search(queries, 10, all);
    ASSERT_EQ(x.size(), y.size());
    EXPECT_FALSE(x.empty());
    for (size_t i = 0; i < x.size(); ++i) {
      EXPECT_EQ(x[i].info.id, y[i].info.id);
      EXPECT_EQ(x[i].score, y[i].score);
    }
  }

  test::TempFolder folder_;
  std::mt19937 generator_{7};
  std::shared_ptr<membank::Bank> bank_;
};

TEST_P(MemoryTest, ChunksOfOneDocumentAreFoundAcrossThousandsOfOthers) {
  const membank::DocumentId dialog = add_document(2);
  add_document(5000);
  const std::vector<int32_t> ids = {1, 2, 3, 4};
  const Tensor kv = Tensor::zeros({1, 4, 2}, DType::bf16);
  Memory memory(bank_, options());
  ASSERT_NE(memory.last_of(dialog), nullptr);
  const membank::ChunkId before = memory.last_of(dialog)->id;
  EXPECT_EQ(memory.last_of(dialog)->begin, 4);
  membank::ChunkId id = 0;
  bank_->update([&](membank::Transaction& transaction) {
    id = transaction.append_chunk(dialog, ids, random_vector(), kv, kv);
  });
  memory.refresh();
  EXPECT_EQ(memory.last_of(dialog)->id, id);
  ASSERT_NE(memory.beside(id, -1), nullptr);
  EXPECT_EQ(memory.beside(id, -1)->id, before);
  EXPECT_EQ(memory.beside(before, 1)->id, id);
  EXPECT_EQ(memory.beside(id, 1), nullptr);
  bank_->remove_chunks(std::span(&before, 1));
  memory.refresh();
  EXPECT_EQ(memory.beside(id, -1), nullptr) << "the one before that is not right before";
  const std::vector<std::vector<float>> queries = {random_vector(), random_vector()};
  const auto own = memory.chunks_of(queries, dialog);
  ASSERT_EQ(own.size(), 2U);
  EXPECT_EQ(own[0].info.begin, 0);
  EXPECT_EQ(own[1].info.id, id);
  const auto found = memory.search(
      queries, 2, [dialog](const membank::ChunkInfo& info) { return info.document == dialog; });
  for (const FoundChunk& chunk : own) {
    const bool first = found[0].info.id == chunk.info.id;
    EXPECT_EQ(chunk.score, found[first ? 0 : 1].score) << "what a search says";
  }
  EXPECT_TRUE(memory.chunks_of(queries, 77).empty());
  EXPECT_EQ(memory.last_of(dialog)->id, id);
}

TEST_P(MemoryTest, GrownIsTheSameAsRebuilt) {
  add_document(30);
  Memory grown(bank_, options());
  add_document(50);
  grown.refresh();
  add_document(1);
  grown.refresh();
  EXPECT_EQ(grown.chunks().size(), 81U);
  drop_index_snapshots(bank_->folder());
  const Memory rebuilt(bank_, options());
  for (int i = 0; i < 20; ++i) {
    expect_same(grown, rebuilt, std::vector<std::vector<float>>{random_vector(), random_vector()});
  }
}

TEST_P(MemoryTest, WhatIsForgottenIsNeverFound) {
  const membank::DocumentId gone = add_document(40);
  add_document(40);
  Memory memory(bank_, options());
  bank_->update([&](membank::Transaction& transaction) { transaction.forget(gone); });
  memory.refresh();
  EXPECT_EQ(memory.chunks().size(), 40U);
  const std::vector<std::vector<float>> query = {random_vector()};
  for (const FoundChunk& found : memory.search(query, 80, [](const auto&) { return true; })) {
    EXPECT_NE(found.info.document, gone);
  }
  const Memory fresh(bank_, options());  // the snapshot of before must not be trusted
  EXPECT_EQ(fresh.search(query, 80, [](const auto&) { return true; }).size(), 40U);
}

/// Turns over bytes of the data file, wherever they stand.
void damage(const std::filesystem::path& file, const std::string& pattern) {
  const std::string bytes = read_file(file);
  std::fstream stream(file, std::ios::in | std::ios::out | std::ios::binary);
  for (size_t at = bytes.find(pattern); at != std::string::npos; at = bytes.find(pattern, at + 1)) {
    stream.seekp(static_cast<std::streamoff>(at));
    stream.put(static_cast<char>(~pattern[0]));
  }
}

TEST_P(MemoryTest, ARemovalReadsNoVectorAgain) {
  add_document(100);
  const membank::DocumentId marked = add_document(0);
  const Tensor kv = Tensor::zeros({1, 4, 2}, DType::bf16);
  membank::ChunkId id = 0;
  bank_->update([&](membank::Transaction& transaction) {
    const std::vector<int32_t> ids = {1, 2, 3, 4};
    id = transaction.append_chunk(marked, ids, std::vector<float>(kDim, 1.25F), kv, kv);
  });
  add_document(100);
  Memory memory(bank_, options());
  std::string halves;
  for (int i = 0; i < kDim; ++i) halves += std::string("\x00\x3D", 2);  // 1.25 in half precision
  damage(bank_->folder() / "data.mdb", halves);
  EXPECT_THROW((void)bank_->snapshot()->chunk_vector(id), Error);
  const std::vector<membank::ChunkId> going = {7, 8, 150};
  bank_->remove_chunks(going);
  memory.refresh();
  EXPECT_EQ(memory.chunks().size(), 198U);
  EXPECT_EQ(memory.info(7), nullptr);
  EXPECT_TRUE(memory.vector(150).empty());
  EXPECT_EQ(memory.beside(9, -1), nullptr);
  EXPECT_EQ(memory.beside(9, 1)->id, 10U);
  std::set<membank::ChunkId> found;
  const std::vector<std::vector<float>> query = {std::vector<float>(kDim, 1.0F)};
  for (const FoundChunk& chunk : memory.search(query, 300, [](const auto&) { return true; })) {
    found.insert(chunk.info.id);
  }
  EXPECT_EQ(found.size(), 198U);
  EXPECT_TRUE(found.contains(id));
  for (const membank::ChunkId gone : going) EXPECT_FALSE(found.contains(gone));
}

TEST_P(MemoryTest, ACopyThatTookSeveralCommitsIsSeenWhole) {
  add_document(3);
  Memory memory(bank_, options());
  const Tensor kv = Tensor::zeros({1, 4, 2}, DType::bf16);
  const std::vector<int32_t> ids = {1, 2, 3, 4};
  membank::Document original{.name = "copy", .name_space = "default"};
  original.tokens = 8;
  membank::DocumentId copy = 0;
  const auto copy_chunk = [&](membank::Transaction& transaction, int64_t begin) {
    transaction.copy_chunk(copy, {.tokens = 4, .begin = begin}, ids, random_vector(), kv, kv);
  };
  bank_->update([&](membank::Transaction& transaction) {
    copy = transaction.begin_copy(original);
    copy_chunk(transaction, 0);
  });
  const membank::DocumentId between = add_document(1);
  memory.refresh();
  EXPECT_EQ(memory.chunks().size(), 4U);
  EXPECT_EQ(memory.chunks().back().document, between);
  bank_->update([&](membank::Transaction& transaction) {
    copy_chunk(transaction, 4);
    transaction.finish_copy(copy, original);
  });
  memory.refresh();
  EXPECT_EQ(memory.chunks().size(), 6U);
  EXPECT_EQ(memory.last_of(copy)->begin, 4);
  const std::vector<std::vector<float>> query = {random_vector()};
  EXPECT_EQ(memory.chunks_of(query, copy).size(), 2U);
  EXPECT_EQ(memory.search(query, 30, [](const auto&) { return true; }).size(), 6U);
}

TEST_P(MemoryTest, ScopesChooseDocumentsAndNamespaces) {
  const membank::DocumentId one = add_document(10, "a");
  const membank::DocumentId two = add_document(10, "b");
  const membank::DocumentId three = add_document(10, "b");
  const Memory memory(bank_, options());
  const std::vector<std::vector<float>> query = {random_vector()};
  const auto documents = [&](const ReadScope& scope) {
    std::set<membank::DocumentId> found;
    for (const FoundChunk& chunk : memory.search(query, 30, memory.scope_filter(scope))) {
      found.insert(chunk.info.document);
    }
    return found;
  };
  using Set = std::set<membank::DocumentId>;
  EXPECT_EQ(documents({}), Set());
  EXPECT_EQ(documents({.name_spaces = {"b"}}), (Set{two, three}));
  EXPECT_EQ(documents({.name_spaces = {"a"}, .documents = {three}}), (Set{one, three}));
  EXPECT_EQ(documents({.everything = true}), (Set{one, two, three}));
}

TEST_P(MemoryTest, ANamespaceThatIsNewIsKnownAfterRefresh) {
  add_document(3, "a");
  Memory memory(bank_, options());
  const membank::DocumentId late = add_document(3, "b");
  memory.refresh();
  const std::vector<std::vector<float>> query = {random_vector()};
  const auto found = memory.search(query, 30, memory.scope_filter({.name_spaces = {"b"}}));
  ASSERT_EQ(found.size(), 3U);
  for (const FoundChunk& chunk : found) EXPECT_EQ(chunk.info.document, late);
}

TEST_P(MemoryTest, TheFilterSeesTheChunkThatIsAskedFor) {
  for (int i = 0; i < 40; ++i) add_document(3);
  bank_->update([](membank::Transaction& transaction) {
    transaction.remove_chunks(std::vector<membank::ChunkId>{1, 20, 21, 22, 120});
  });
  const Memory memory(bank_, options());
  const std::vector<std::vector<float>> queries = {random_vector(), random_vector()};
  const auto found =
      memory.search(queries, 200, [](const membank::ChunkInfo& chunk) { return chunk.begin > 0; });
  std::set<membank::ChunkId> ids;
  for (const FoundChunk& chunk : found) {
    EXPECT_GT(chunk.info.begin, 0);
    ids.insert(chunk.info.id);
  }
  std::set<membank::ChunkId> wanted;
  for (const membank::ChunkInfo& chunk : memory.chunks()) {
    if (chunk.begin > 0) wanted.insert(chunk.id);
  }
  EXPECT_EQ(wanted.size(), 77U);  // 80, less 20, 21 and 120; 1 and 22 began their documents
  EXPECT_EQ(ids, wanted);
}

INSTANTIATE_TEST_SUITE_P(Kinds, MemoryTest,
                         testing::Values(retriever::IndexKind::flat, retriever::IndexKind::hnsw));

class HnswSnapshot : public MemoryTest {};

TEST_P(HnswSnapshot, IsKeptReusedAndRebuiltWhenDamaged) {
  const auto path = bank_->folder() / "index.hnsw.snapshot";
  add_document(200);
  const Memory first(bank_, options());
  ASSERT_TRUE(std::filesystem::exists(path));
  const auto written = std::filesystem::last_write_time(path);
  add_document(5);  // fewer than a tenth: added on top of the snapshot, which stays
  const Memory second(bank_, options());
  EXPECT_EQ(std::filesystem::last_write_time(path), written);
  EXPECT_EQ(second.chunks().size(), 205U);
  const std::vector<std::vector<float>> query = {random_vector()};
  {
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(200);
    file.put('x');
  }
  const Memory third(bank_, options());
  expect_same(second, third, query);
  drop_index_snapshots(bank_->folder());
  EXPECT_FALSE(std::filesystem::exists(path));
}

/// A bank of which a document is forgotten just before an index is written.
class ForgetsAtTheLastMoment : public membank::Bank {
 public:
  ForgetsAtTheLastMoment(std::shared_ptr<membank::Bank> bank, membank::DocumentId id)
      : bank_(std::move(bank)), going_(id) {}
  [[nodiscard]] const std::filesystem::path& folder() const override { return bank_->folder(); }
  [[nodiscard]] const membank::Fingerprint& fingerprint() const override {
    return bank_->fingerprint();
  }
  [[nodiscard]] bool writable() const override { return true; }
  [[nodiscard]] std::string identity() const override {
    if (++asked_ == 2) {  // to look for a snapshot, and to write one
      bank_->update([&](membank::Transaction& transaction) { transaction.forget(going_); });
      drop_index_snapshots(folder());
    }
    return bank_->identity();
  }
  [[nodiscard]] std::unique_ptr<membank::Snapshot> snapshot() const override {
    return bank_->snapshot();
  }
  void update(const std::function<void(membank::Transaction&)>& fn) override { bank_->update(fn); }
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
  [[nodiscard]] int asked() const { return asked_; }

 private:
  std::shared_ptr<membank::Bank> bank_;
  membank::DocumentId going_;
  mutable int asked_ = 0;
};

TEST_P(HnswSnapshot, OfAnotherHistoryIsBuiltAnew) {
  const auto data = folder_.path() / "bank" / "data.mdb";
  add_document(50);
  bank_.reset();
  std::filesystem::copy_file(data, folder_.path() / "backup");
  bank_ = open();
  for (int i = 0; i < 3; ++i) add_document(50);
  { const Memory first(bank_, options()); }
  ASSERT_TRUE(std::filesystem::exists(bank_->folder() / "index.hnsw.snapshot"));
  bank_.reset();
  std::filesystem::copy_file(folder_.path() / "backup", data,
                             std::filesystem::copy_options::overwrite_existing);
  bank_ = open();
  for (int i = 0; i < 3; ++i) add_document(50);  // the same ids, other vectors
  const Memory restored(bank_, options());
  ASSERT_EQ(restored.chunks().size(), 200U);
  const auto snapshot = bank_->snapshot();
  for (const membank::ChunkInfo& chunk : restored.chunks()) {
    const auto vector = restored.vector(chunk.id);
    EXPECT_EQ(std::vector<float>(vector.begin(), vector.end()), snapshot->chunk_vector(chunk.id))
        << "chunk " << chunk.id;
  }
}

TEST_P(HnswSnapshot, IsWrittenOnceAQuarterIsGone) {
  const auto path = bank_->folder() / "index.hnsw.snapshot";
  add_document(200);
  Memory memory(bank_, options());
  drop_index_snapshots(bank_->folder());
  const auto remove = [&](membank::ChunkId from, membank::ChunkId to) {
    std::vector<membank::ChunkId> ids;
    for (membank::ChunkId id = from; id < to; ++id) ids.push_back(id);
    bank_->remove_chunks(ids);
    memory.refresh();
  };
  remove(10, 11);
  EXPECT_FALSE(std::filesystem::exists(path)) << "it would hold a vector that is forgotten";
  remove(100, 151);
  ASSERT_TRUE(std::filesystem::exists(path));
  const auto written = std::filesystem::last_write_time(path);
  const Memory again(bank_, options());
  EXPECT_EQ(std::filesystem::last_write_time(path), written) << "it was not used";
  EXPECT_EQ(again.chunks().size(), 148U);
  expect_same(memory, again, std::vector<std::vector<float>>{random_vector()});
}

TEST_P(HnswSnapshot, DoesNotOutliveWhatIsForgottenMeanwhile) {
  add_document(20);
  const auto bank = std::make_shared<ForgetsAtTheLastMoment>(bank_, add_document(20));
  Memory memory(bank, options());
  ASSERT_EQ(bank->asked(), 2);
  EXPECT_FALSE(std::filesystem::exists(bank_->folder() / "index.hnsw.snapshot"));
  memory.refresh();
  EXPECT_EQ(memory.chunks().size(), 20U);
}

INSTANTIATE_TEST_SUITE_P(Hnsw, HnswSnapshot, testing::Values(retriever::IndexKind::hnsw));

}  // namespace
}  // namespace memlong::engine
