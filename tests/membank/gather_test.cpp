// Keys and values of several chunks at once.
#include <algorithm>
#include <cstring>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/file.h"
#include "membank/bank_fixture.h"
#include "membank/damage_fixture.h"
#include "membank/kv_codec.h"

namespace memlong::membank {
namespace {

using testing::error_of;
using testing::make_bank;
using testing::open_reader;
using testing::paged_chunks;
using testing::SampleChunk;
using testing::TempFolder;

constexpr int64_t kTokens = 8;

/// Places one behind the other in K and V [G, n * 8, D]: enough chunks to be worth two threads.
struct Places {
  explicit Places(std::vector<ChunkId> wanted) : ids(std::move(wanted)) {
    const Fingerprint f = paged_chunks();
    const auto count = static_cast<int64_t>(ids.size());
    k = Tensor::zeros({f.kv_heads, count * kTokens, f.head_dim}, DType::f32);
    v = Tensor::zeros(k.shape(), DType::f32);
    for (int64_t i = 0; i < count; ++i) places.push_back({id(i), at(k, i), at(v, i)});
  }
  [[nodiscard]] ChunkId id(int64_t i) const { return ids[static_cast<size_t>(i)]; }
  static TensorView at(const Tensor& all, int64_t i) {
    return all.view().slice(1, i * kTokens, (i + 1) * kTokens);
  }

  std::vector<ChunkId> ids;
  Tensor k;
  Tensor v;
  std::vector<KvPlace> places;
};

bool same(const TensorView& a, const TensorView& b) {
  for (int64_t g = 0; g < a.dim(0); ++g) {
    const auto count = static_cast<size_t>(a.dim(1) * a.dim(2));
    if (std::memcmp(a.data<float>() + g * a.stride(0), b.data<float>() + g * b.stride(0),
                    count * sizeof(float)) != 0) {
      return false;
    }
  }
  return true;
}

/// 96 chunks of the bank of make_bank(), in which 9 to 16 were forgotten and 49 on never were.
std::vector<ChunkId> many_chunks() {
  std::vector<ChunkId> ids;
  for (ChunkId i = 0; i < 96; ++i) ids.push_back(1 + i * 37 % 50);
  return ids;
}

TEST(GatherKv, EachChunkComesToItsPlaceOnAnyNumberOfThreads) {
  const TempFolder folder;
  make_bank(folder.path());
  const auto bank = open_reader(folder.path());
  for (const int threads : {1, 2, 3}) {
    const Context context({.threads = threads});
    const Places all(many_chunks());
    const auto snapshot = bank->snapshot();
    const std::vector<bool> there = snapshot->read_kv(all.places, context);
    ASSERT_EQ(there.size(), all.ids.size());
    for (int64_t i = 0; i < static_cast<int64_t>(all.ids.size()); ++i) {
      Places one({all.id(i)});
      EXPECT_EQ(there[static_cast<size_t>(i)], snapshot->read_kv(all.id(i), one.k, one.v));
      EXPECT_EQ(there[static_cast<size_t>(i)], all.id(i) < 49 && (all.id(i) < 9 || all.id(i) > 16));
      EXPECT_TRUE(same(Places::at(all.k, i), one.k)) << "keys of " << all.id(i);
      EXPECT_TRUE(same(Places::at(all.v, i), one.v)) << "values of " << all.id(i);
    }
  }
}

TEST(GatherKv, NothingIsNothing) {
  const TempFolder folder;
  make_bank(folder.path());
  const Context context({.threads = 2});
  EXPECT_TRUE(open_reader(folder.path())->snapshot()->read_kv({}, context).empty());
}

/// Turns a bit in the K of the chunk that SampleChunk(seed) made, wherever the file holds it.
void damage(const std::filesystem::path& folder, int seed) {
  const Fingerprint f = paged_chunks();
  const SampleChunk chunk(f, seed, kTokens);
  std::string head(kv_bytes(f, kTokens) - 20, '\0');
  std::string tail(20, '\0');
  encode_kv(chunk.k, chunk.v, f.kv_dtype, head.data(), head.size(), tail.data(), tail.size());
  std::string bytes = read_file(folder / "data.mdb");
  size_t at = bytes.find(head);
  ASSERT_NE(at, std::string::npos);
  for (; at != std::string::npos; at = bytes.find(head, at)) bytes[at + 5] ^= 4;
  std::ofstream(folder / "data.mdb", std::ios::binary | std::ios::trunc) << bytes;
}

TEST(GatherKv, TheFirstDamagedChunkIsNamed) {
  const TempFolder folder;
  make_bank(folder.path());  // document i has chunks 8 i + 1 on, made of the seeds 10 i on
  damage(folder.path(), 41);
  damage(folder.path(), 33);
  const auto bank = open_reader(folder.path());
  for (const int threads : {1, 2}) {
    const Context context({.threads = threads});
    const Places all(many_chunks());
    ASSERT_LT(std::find(all.ids.begin(), all.ids.end(), 34),
              std::find(all.ids.begin(), all.ids.end(), 28));
    const Error error = error_of([&] { (void)bank->snapshot()->read_kv(all.places, context); });
    EXPECT_EQ(error.kind(), ErrorKind::corrupt);
    EXPECT_THAT(error.what(), ::testing::HasSubstr("record 34 of database kv")) << threads;
  }
}

}  // namespace
}  // namespace memlong::membank
