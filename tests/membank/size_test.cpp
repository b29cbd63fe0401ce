#include <iostream>
#include <vector>

#include <gtest/gtest.h>

#include "membank/bank_fixture.h"

namespace memlong::membank {
namespace {

using testing::findings;
using testing::open_writer;
using testing::TempFolder;

/// The reference model's shape: 64 tokens, 2 heads of 64, bf16; vectors of 256.
Fingerprint reference_shape() {
  Fingerprint f = testing::small_fingerprint();
  f.head_dim = 64;
  f.chunk_tokens = 64;
  f.embedder_dim = 256;
  return f;
}

TEST(BankSize, StaysCloseToWhatItMustHold) {
  const TempFolder folder;
  const Fingerprint f = reference_shape();
  const auto bank = open_writer(folder.path(), f, size_t{256} << 20);
  constexpr int kChunks = 2000;
  constexpr int kPerCommit = 64;
  const testing::SampleChunk chunk(f, 3, f.chunk_tokens);
  const std::string text(static_cast<size_t>(3.4 * 64 * kPerCommit), 'x');
  DocumentId id = 0;
  for (int done = 0; done < kChunks; done += kPerCommit) {
    bank->update([&](Transaction& t) {
      if (done % (kPerCommit * 8) == 0)
        id = t.create_document(testing::named("book" + std::to_string(done)));
      for (int i = 0; i < kPerCommit && done + i < kChunks; ++i) {
        t.append_chunk(id, chunk.ids, chunk.vector, chunk.k, chunk.v);
      }
      t.append_text(id, text);
    });
  }
  std::vector<ChunkId> seen(200);
  for (size_t i = 0; i < seen.size(); ++i) seen[i] = 10 * i + 1;
  bank->count_hits(seen);
  bank->flush_hits();
  const BankStats stats = bank->snapshot()->stats();
  ASSERT_EQ(stats.chunks, kChunks);
  const double must = kChunks * (2.0 * 2 * 64 * 64 * 2 + 256 * 4 + 64 * 4);
  const double ratio = static_cast<double>(stats.bytes) / must;
  std::cout << "bank bytes / (K-V + f32 vectors + tokens): " << ratio << "\n";
  RecordProperty("ratio", std::to_string(ratio));
  EXPECT_LT(ratio, 1.15);
  EXPECT_GT(stats.used_bytes, stats.bytes * 9 / 10);
  EXPECT_LE(stats.used_bytes, stats.bytes);
  EXPECT_EQ(findings(*bank), "");
}

}  // namespace
}  // namespace memlong::membank
