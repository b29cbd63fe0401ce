// A dialog's memory with chunks kept at hand: the same sets as without, and never what is gone.
#include <cstring>

#include <gtest/gtest.h>

#include "engine/dialog_memory.h"
#include "support/reference_model.h"

namespace memlong::engine {
namespace {

using membank::ChunkId;

constexpr int64_t kTokens = 64;  // of a chunk of the reference model

class CachedChunks : public testing::Test {
 protected:
  void SetUp() override {
    model_ = test::reference_model(context_, DType::bf16);
    bank_ = membank::Bank::open(folder_.path() / "bank", {.mode = membank::OpenMode::write,
                                                          .fingerprint = model_->fingerprint()});
    bank_->update([&](membank::Transaction& change) {
      ids_.clear();
      document_ = change.create_document({.name = "text", .name_space = "default"});
      for (int i = 0; i < 4; ++i) {
        const EncodedChunk chunk = made(i * kTokens, static_cast<float>(i + 1));
        ids_.push_back(change.append_chunk(document_, chunk.ids, chunk.vector, chunk.k, chunk.v));
      }
    });
  }

  /// A chunk whose keys are all `value`, values one more; its vector points along
  /// an axis of its own.
  [[nodiscard]] EncodedChunk made(int64_t begin, float value) const {
    EncodedChunk chunk;
    chunk.begin = begin;
    chunk.ids.assign(kTokens, 5);
    chunk.vector.assign(static_cast<size_t>(model_->fingerprint().embedder_dim), 0.0F);
    chunk.vector[static_cast<size_t>(value) % chunk.vector.size()] = 1.0F;
    chunk.k = Tensor({model_->config.kv_heads, kTokens, model_->config.head_dim}, DType::bf16);
    chunk.v = Tensor(chunk.k.shape(), DType::bf16);
    for (int64_t i = 0; i < chunk.k.view().elements(); ++i) {
      chunk.k.data<bf16>()[i] = bf16(value);
      chunk.v.data<bf16>()[i] = bf16(value + 1);
    }
    return chunk;
  }

  DialogMemory memory(int64_t cached) {
    return DialogMemory(context_, model_,
                        std::make_shared<Memory>(bank_, retriever::IndexOptions{}),
                        {.name_spaces = {}, .documents = {}, .everything = true}, cached);
  }

  /// What is retrieved at the start of a window far behind: the first key of each chunk.
  std::vector<float> retrieve(DialogMemory& memory) const {
    const std::vector<float> query(static_cast<size_t>(model_->fingerprint().embedder_dim), 0.1F);
    const auto set = memory.retrieve({.queries = {query}, .window_start = 1000});
    std::vector<float> keys;
    int64_t at = 0;
    for (const RetrievedChunk& chunk : set->chunks) {
      const auto key = static_cast<float>(set->k.data<bf16>()[at * model_->config.head_dim]);
      EXPECT_EQ(static_cast<float>(set->v.data<bf16>()[at * model_->config.head_dim]), key + 1);
      keys.push_back(key);
      at += chunk.tokens;
    }
    EXPECT_EQ(set->k.empty() ? 0 : set->k.dim(1), at);
    return keys;
  }

  Context context_;
  const test::TempFolder folder_;
  std::shared_ptr<const LoadedModel> model_;
  std::shared_ptr<membank::Bank> bank_;
  membank::DocumentId document_ = 0;
  std::vector<ChunkId> ids_;
};

using Keys = std::vector<float>;

TEST_F(CachedChunks, AreServedFromTheSecondTimeOn) {
  DialogMemory with = memory(16);
  DialogMemory without = memory(0);
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(retrieve(with), Keys({1, 2, 3, 4}));
    EXPECT_EQ(retrieve(without), Keys({1, 2, 3, 4}));
  }
  EXPECT_EQ(with.cache().hits(), 8);
  EXPECT_EQ(with.cache().misses(), 4);
  EXPECT_EQ(without.cache().size(), 0);
}

TEST_F(CachedChunks, WhatWasPrunedIsNotServed) {
  DialogMemory with = memory(16);
  EXPECT_EQ(retrieve(with), Keys({1, 2, 3, 4}));
  bank_->remove_chunks(std::span(&ids_[1], 1));
  EXPECT_EQ(retrieve(with), Keys({1, 3, 4}));
  EXPECT_EQ(with.cache().size(), 3) << "the others stay";
}

TEST_F(CachedChunks, WhatWasForgottenIsNotServedThoughTheBankHasNewChunks) {
  DialogMemory with = memory(16);
  EXPECT_EQ(retrieve(with), Keys({1, 2, 3, 4}));
  bank_->update([&](membank::Transaction& change) {
    change.forget(document_);
    document_ = change.create_document({.name = "another", .name_space = "default"});
    const EncodedChunk chunk = made(0, 9);
    change.append_chunk(document_, chunk.ids, chunk.vector, chunk.k, chunk.v);
  });
  EXPECT_EQ(retrieve(with), Keys({9}));
  EXPECT_EQ(with.cache().size(), 1);
}

TEST_F(CachedChunks, AChunkThatWasTakenBackAndReadAnewIsTheNewOne) {
  DialogMemory with = memory(16);
  with.completed(made(0, 20));
  with.completed(made(kTokens, 21));
  EXPECT_EQ(retrieve(with), Keys({1, 2, 3, 4, 20, 21}));
  with.dropped(kTokens);
  with.completed(made(kTokens, 22));
  EXPECT_EQ(retrieve(with), Keys({1, 2, 3, 4, 20, 22}));
}

TEST_F(CachedChunks, WhatHasBeenCommittedIsNoLongerThePendingChunkOfThatPlace) {
  DialogMemory with = memory(16);
  with.completed(made(0, 20));
  EXPECT_EQ(retrieve(with), Keys({1, 2, 3, 4, 20}));
  bank_->update([&](membank::Transaction& change) {
    const membank::DocumentId dialog = change.create_document(
        {.name = "talk", .name_space = "default", .kind = membank::DocumentKind::dialog});
    const EncodedChunk chunk = made(0, 20);
    change.append_chunk(dialog, chunk.ids, chunk.vector, chunk.k, chunk.v);
  });
  with.committed();
  EXPECT_EQ(retrieve(with), Keys({1, 2, 3, 4, 20}));
  for (const EncodedChunk& chunk : with.pending()) FAIL() << chunk.begin;
  EXPECT_EQ(with.cache().size(), 5);
}

}  // namespace
}  // namespace memlong::engine
