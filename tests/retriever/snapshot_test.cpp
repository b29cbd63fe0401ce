#include "retriever/snapshot.h"

#include <array>
#include <cstring>
#include <fstream>
#include <limits>

#include <gtest/gtest.h>

#include "common/hash.h"
#include "retriever/random_vectors.h"
#include "support/temp_folder.h"

namespace memlong::retriever {
namespace {

constexpr int64_t kDim = 24;
constexpr int64_t kRows = 120;

IndexOptions options_of(IndexKind kind) {
  IndexOptions options;
  options.kind = kind;
  return options;
}

/// Without the care for crashes that write_file_atomic() takes.
void overwrite(const std::filesystem::path& path, std::string_view content) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << content;
}

std::unique_ptr<VectorIndex> filled(IndexKind kind) {
  auto index = make_index(kDim, options_of(kind));
  index->add(rising_ids(kRows, 5, 2), random_directions(kRows, kDim, 21));
  index->remove(rising_ids(9, 15, 2));  // under a quarter: hnsw keeps them as dead rows
  index->remove(std::vector<uint64_t>{5 + 2 * (kRows - 1)});
  return index;
}

class Snapshots : public testing::TestWithParam<IndexKind> {
 protected:
  Snapshots() { filled(GetParam())->save(path_, 42, "key"); }
  [[nodiscard]] LoadedIndex load() const {
    return load_index(path_, kDim, "key", options_of(GetParam()));
  }
  test::TempFolder folder_;
  std::filesystem::path path_ = folder_ / "index.snapshot";
};
INSTANTIATE_TEST_SUITE_P(Index, Snapshots, testing::Values(IndexKind::flat, IndexKind::hnsw),
                         [](const auto& kind) { return std::string(index_kind_name(kind.param)); });

TEST_P(Snapshots, LoadedGoesOnAsTheOneThatWasSaved) {
  const LoadedIndex loaded = load();
  ASSERT_NE(loaded.index, nullptr);
  EXPECT_EQ(loaded.generation, 42U);
  EXPECT_EQ(loaded.index->kind(), GetParam());
  EXPECT_EQ(loaded.index->size(), kRows - 10);
  EXPECT_EQ(loaded.index->last_id(), 5U + 2 * (kRows - 1));
  const auto kept = filled(GetParam());
  const std::vector<float> more = random_directions(50, kDim, 22);
  for (VectorIndex* index : {kept.get(), loaded.index.get()}) {
    index->add(rising_ids(50, 1000, 1), more);
    index->remove(std::vector<uint64_t>{1003, 7});
  }
  for (uint32_t seed = 0; seed < 10; ++seed) {
    const std::vector<float> query = random_directions(1, kDim, seed);
    const std::vector<Hit> a = kept->search(query, 9, {});
    const std::vector<Hit> b = loaded.index->search(query, 9, {});
    ASSERT_EQ(a.size(), b.size());
    for (size_t i = 0; i < a.size(); ++i) {
      EXPECT_EQ(a[i].id, b[i].id);
      EXPECT_EQ(a[i].score, b[i].score);
    }
  }
}

TEST_P(Snapshots, OfSomethingElseIsNotUsed) {
  const IndexOptions options = options_of(GetParam());
  EXPECT_EQ(load_index(path_, kDim, "another", options).index, nullptr);
  EXPECT_EQ(load_index(path_, kDim + 1, "key", options).index, nullptr);
  EXPECT_EQ(load_index(folder_ / "absent", kDim, "key", options).index, nullptr);
  EXPECT_EQ(load_index(folder_ / "", kDim, "key", options).index, nullptr);
  const IndexKind other = GetParam() == IndexKind::flat ? IndexKind::hnsw : IndexKind::flat;
  EXPECT_EQ(load_index(path_, kDim, "key", options_of(other)).index, nullptr);
}

TEST_P(Snapshots, DamageAnywhereIsNoticed) {
  const std::string good = read_file(path_);
  const size_t step = good.size() / 100;
  for (size_t i = 0; i < good.size(); i += i < 64 ? 1 : step) {
    std::string bad = good;
    bad[i] = static_cast<char>(bad[i] ^ 0x10);
    overwrite(path_, bad);
    EXPECT_EQ(load().index, nullptr) << "byte " << i;
  }
  for (size_t size = 0; size < good.size(); size += step) {
    overwrite(path_, std::string_view(good).substr(0, size));
    EXPECT_EQ(load().index, nullptr) << "cut to " << size;
  }
  overwrite(path_, good + "x");
  EXPECT_EQ(load().index, nullptr);
  overwrite(path_, good);
  EXPECT_NE(load().index, nullptr);
}

/// Writes changed bytes with the checksum right again.
void seal(const std::filesystem::path& path, std::string bad) {
  const uint32_t crc = crc32c(std::as_bytes(std::span(bad)).first(bad.size() - 4));
  std::memcpy(bad.data() + bad.size() - 4, &crc, 4);
  overwrite(path, bad);
}

/// Sets a number in the file.
void lie(const std::filesystem::path& path, const std::string& good, size_t offset,
         uint64_t value) {
  std::string bad = good;
  std::memcpy(bad.data() + offset, &value, sizeof(value));
  seal(path, std::move(bad));
}

TEST_P(Snapshots, LyingHeaderWithARightChecksumIsNotBelieved) {
  const std::string good = read_file(path_);
  for (const size_t field : {size_t{24}, size_t{48}, size_t{56}}) {  // rows, key, payload
    for (const uint64_t value : {uint64_t{0}, uint64_t{1} << 40, ~uint64_t{0}}) {
      lie(path_, good, field, value);
      EXPECT_EQ(load().index, nullptr) << field << " says " << value;
    }
  }
  lie(path_, good, 40, 100);  // the next id: not past the last row's
  EXPECT_EQ(load().index, nullptr);
  lie(path_, good, 64 + 3 + 8, 1);  // the second id: no longer rising
  EXPECT_EQ(load().index, nullptr);
}

// FAISS would allocate what a list's length says before it misses the bytes.
TEST_P(Snapshots, LyingLengthsOfListsAreNotBelieved) {
  const std::string good = read_file(path_);
  const size_t payload = good.find(GetParam() == IndexKind::flat ? "IxFI" : "IHNf");
  ASSERT_NE(payload, std::string::npos);
  for (const uint64_t value : {uint64_t{1} << 34, uint64_t{1} << 39, ~uint64_t{0}}) {
    lie(path_, good, payload + 4 + 33, value);  // the first list: behind name and header
    EXPECT_EQ(load().index, nullptr) << value;
  }
}

TEST_P(Snapshots, AnIndexThatTakesNoVectorsIsNotBelieved) {
  std::string bad = read_file(path_);
  const size_t trained = bad.find("IxFI") + 4 + 28;  // behind name, dimension and three numbers
  ASSERT_EQ(bad[trained], 1);
  bad[trained] = 0;
  seal(path_, std::move(bad));
  EXPECT_EQ(load().index, nullptr);
}

TEST_P(Snapshots, VectorsThatCannotBeComparedAreNotBelieved) {
  const std::string good = read_file(path_);
  const size_t last = good.size() - 4 - sizeof(float);  // the vectors end the payload
  for (const float value : {std::numeric_limits<float>::quiet_NaN(), 1e20F, -1e20F, 1.0F}) {
    std::string bad = good;
    std::memcpy(bad.data() + last, &value, sizeof(value));
    seal(path_, std::move(bad));
    EXPECT_EQ(load().index != nullptr, value == 1.0F) << value;
  }
}

TEST_P(Snapshots, ForeignBytesInTheRightFrameAreNotBelieved) {
  const std::vector<uint8_t> dead(3, 0);
  for (const std::string& payload :
       {std::string(), std::string("IxFI"), std::string("IHNf"), std::string(500, 'x'),
        "IxFI" + std::string(500, 'x'), "IHNf" + std::string(500, 'x')}) {
    write_snapshot(path_, {GetParam(), kDim, 1, "key", 4}, rising_ids(3, 1, 1), dead, payload);
    EXPECT_EQ(load().index, nullptr) << payload;
  }
}

TEST(Snapshot, HnswWithAHoleAmongALinkListIsNotUsed) {
  const test::TempFolder folder;
  filled(IndexKind::hnsw)->save(folder / "index", 1, "key");
  std::string bad = read_file(folder / "index");
  size_t at = bad.find("IHNf") + 4 + 33;
  for (const size_t element : {8, 4, 4, 8}) {  // the lists before the links
    uint64_t count = 0;
    std::memcpy(&count, bad.data() + at, sizeof(count));
    at += sizeof(count) + count * element;
  }
  std::array<int32_t, 2> links{};  // the first row's nearest two
  std::memcpy(links.data(), bad.data() + at + 8, sizeof(links));
  ASSERT_TRUE(links[0] > 0 && links[0] < kRows && links[1] > 0 && links[1] < kRows);
  std::memset(bad.data() + at + 8, 0xFF, sizeof(links[0]));
  seal(folder / "index", std::move(bad));
  EXPECT_EQ(load_index(folder / "index", kDim, "key", options_of(IndexKind::hnsw)).index, nullptr);
}

TEST(Snapshot, HnswOfOtherLinksIsNotUsed) {
  const test::TempFolder folder;
  filled(IndexKind::hnsw)->save(folder / "index", 1, "key");
  IndexOptions options = options_of(IndexKind::hnsw);
  options.hnsw_links = 8;
  EXPECT_EQ(load_index(folder / "index", kDim, "key", options).index, nullptr);
}

TEST(Snapshot, EmptyIndexComesBackEmpty) {
  const test::TempFolder folder;
  for (const IndexKind kind : {IndexKind::flat, IndexKind::hnsw}) {
    make_index(kDim, options_of(kind))->save(folder / "index", 7, "");
    const LoadedIndex loaded = load_index(folder / "index", kDim, "", options_of(kind));
    ASSERT_NE(loaded.index, nullptr) << index_kind_name(kind);
    EXPECT_EQ(loaded.index->size(), 0);
    loaded.index->add(std::vector<uint64_t>{1}, random_directions(1, kDim, 1));
    EXPECT_EQ(loaded.index->search(random_directions(1, kDim, 1), 1, {})[0].id, 1U);
  }
}

}  // namespace
}  // namespace memlong::retriever
