#include "retriever/row_scan.h"

#include <cmath>
#include <numeric>

#include <gtest/gtest.h>

#include "retriever/random_vectors.h"

namespace memlong::retriever {
namespace {

constexpr int64_t kRows = 40000;
constexpr int64_t kDim = 256;  // so many that several threads share them

/// All that pass, scored one after the other.
std::vector<Hit> plain(const RowView& rows, std::span<const float> query, int64_t k,
                       const IdFilter& filter) {
  std::vector<Hit> hits;
  for (size_t row = 0; row < rows.ids.size(); ++row) {
    if (!rows.dead.empty() && rows.dead[row] != 0) continue;
    if (filter && !filter(rows.ids[row])) continue;
    const float* vector = rows.vectors + static_cast<int64_t>(row) * rows.dim;
    hits.push_back({rows.ids[row], inner_product(vector, query.data(), rows.dim)});
  }
  sort_hits(hits, k);
  return hits;
}

class RowScan : public testing::Test {
 protected:
  RowScan() : ids(kRows), dead(kRows, 0) {
    std::iota(ids.begin(), ids.end(), 10U);
    vectors = random_directions(kRows, kDim, 3);
    query = random_directions(1, kDim, 4);
  }

  void expect_plain(const RowView& rows, int64_t k, const IdFilter& filter) const {
    const std::vector<Hit> wanted = plain(rows, query, k, filter);
    for (const int threads : {1, 3}) {
      const std::vector<Hit> found = scan_rows(rows, query, k, filter, threads);
      ASSERT_EQ(found.size(), wanted.size());
      for (size_t i = 0; i < found.size(); ++i) {
        EXPECT_EQ(found[i].id, wanted[i].id) << "place " << i;
        EXPECT_EQ(found[i].score, wanted[i].score) << "place " << i;
      }
    }
  }

  [[nodiscard]] RowView all() const { return {vectors.data(), kDim, ids, {}}; }

  std::vector<uint64_t> ids;
  std::vector<uint8_t> dead;
  std::vector<float> vectors;
  std::vector<float> query;
};

TEST_F(RowScan, AllRows) { expect_plain(all(), 8, {}); }

TEST_F(RowScan, MoreAreWantedThanThereAre) {
  const RowView few{vectors.data(), kDim, std::span(ids).first(5), {}};
  expect_plain(few, 8, {});
  expect_plain({vectors.data(), kDim, {}, {}}, 8, {});
}

TEST_F(RowScan, FilteredRowsInLongAndInShortRanges) {
  expect_plain(all(), 8, [](uint64_t id) { return id % 4 != 0; });
  expect_plain(all(), 8, [](uint64_t id) { return id / 1000 % 2 == 0; });
  expect_plain(all(), 8, [](uint64_t id) { return id == 10 || id == kRows + 9; });
  expect_plain(all(), 8, [](uint64_t) { return false; });
}

TEST_F(RowScan, DeadRowsAreNeverSeen) {
  for (size_t row = 0; row < dead.size(); row += 3) dead[row] = 1;
  expect_plain({vectors.data(), kDim, ids, dead}, 50, {});
  expect_plain({vectors.data(), kDim, ids, dead}, 50, [](uint64_t id) { return id % 2 == 0; });
}

TEST_F(RowScan, EqualScoresAndNoNumbers) {
  for (const int64_t row : {7, 20007, 39999}) {
    std::copy_n(query.begin(), kDim, vectors.begin() + row * kDim);
  }
  for (int64_t row = 0; row < kRows; row += 2) {
    vectors[static_cast<size_t>(row * kDim)] = std::nanf("");
  }
  expect_plain(all(), 8, {});
  expect_plain(all(), kRows, {});
}

}  // namespace
}  // namespace memlong::retriever
