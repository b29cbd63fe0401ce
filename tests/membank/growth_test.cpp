#include <atomic>
#include <thread>

#include <gtest/gtest.h>

#include "membank/bank_fixture.h"

namespace memlong::membank {
namespace {

using testing::add_text;
using testing::append;
using testing::findings;
using testing::holds;
using testing::open_reader;
using testing::open_writer;
using testing::TempFolder;

/// Chunks of 32 KiB, so that a map of 1 MiB is full soon.
Fingerprint large_chunks() {
  Fingerprint f = testing::small_fingerprint();
  f.head_dim = 512;
  return f;
}

TEST(Growth, AnUpdateThatFindsTheMapFullRunsAgain) {
  const TempFolder folder;
  const Fingerprint f = large_chunks();
  const auto bank = open_writer(folder.path(), f);
  int runs = 0;
  DocumentId id = 0;
  bank->update([&](Transaction& t) {
    ++runs;
    id = t.create_document(testing::named("a"));
    for (int i = 0; i < 200; ++i) append(t, id, f, i);
  });
  EXPECT_GT(runs, 2);  // 6.5 MiB into 1 MiB
  EXPECT_EQ(id, 1U);
  EXPECT_EQ(bank->snapshot()->stats().chunks, 200);
  EXPECT_EQ(bank->snapshot()->stats().documents, 1);
  EXPECT_TRUE(holds(*bank->snapshot(), f, 200, 199));
  EXPECT_EQ(findings(*bank), "");
}

TEST(Growth, ReplaysEvenWhenTheCallerSwallowsErrors) {
  const TempFolder folder;
  const Fingerprint f = large_chunks();
  const auto bank = open_writer(folder.path(), f);
  bank->update([&](Transaction& t) {
    const DocumentId id = t.create_document(testing::named("a"));
    try {
      for (int i = 0; i < 60; ++i) append(t, id, f, i);
    } catch (...) {  // NOLINT(bugprone-empty-catch)
    }
  });
  EXPECT_EQ(bank->snapshot()->stats().chunks, 60);
}

TEST(Growth, OpenSnapshotsStayWhatTheyWere) {
  const TempFolder folder;
  const Fingerprint f = large_chunks();
  const auto bank = open_writer(folder.path(), f);
  add_text(*bank, "a", 5, 0);
  const auto before = bank->snapshot();
  add_text(*bank, "b", 150, 100);
  EXPECT_EQ(before->stats().chunks, 5);
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(holds(*before, f, static_cast<ChunkId>(i) + 1, i));
  EXPECT_FALSE(before->chunk(6));
  EXPECT_TRUE(holds(*bank->snapshot(), f, 6, 100));
}

TEST(Growth, ThreadsReadWhileTheMapMoves) {
  const TempFolder folder;
  const Fingerprint f = large_chunks();
  const auto bank = open_writer(folder.path(), f);
  add_text(*bank, "a", 10, 0);
  std::atomic<bool> stop = false;
  std::atomic<int> wrong = 0;
  std::atomic<int> rounds = 0;
  std::vector<std::thread> readers;
  for (int r = 0; r < 3; ++r) {
    readers.emplace_back([&] {
      while (!stop) {
        const auto s = bank->snapshot();
        for (int i = 0; i < 10; ++i) {
          if (!holds(*s, f, static_cast<ChunkId>(i) + 1, i)) ++wrong;
        }
        int64_t chunks = 0;
        s->for_each_chunk(0, [&](const ChunkInfo&) { ++chunks; });
        if (chunks != s->stats().chunks) ++wrong;
        ++rounds;
      }
    });
  }
  for (int i = 0; i < 10; ++i) add_text(*bank, "b" + std::to_string(i), 20, 100);
  while (rounds < 6) std::this_thread::yield();
  stop = true;
  for (std::thread& reader : readers) reader.join();
  EXPECT_EQ(wrong, 0);
  EXPECT_EQ(bank->snapshot()->stats().chunks, 210);
}

}  // namespace
}  // namespace memlong::membank
