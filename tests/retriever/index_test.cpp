#include "retriever/index.h"

#include <algorithm>
#include <set>

#include <gtest/gtest.h>

#include "common/error.h"
#include "retriever/index_pair.h"
#include "retriever/plain_device.h"
#include "retriever/random_vectors.h"

namespace memlong::retriever {
namespace {

constexpr int64_t kDim = 48;

std::span<const float> row(const std::vector<float>& rows, int64_t i, int64_t dim = kDim) {
  return std::span(rows).subspan(static_cast<size_t>(i * dim), static_cast<size_t>(dim));
}

/// In double precision, one row after the other.
std::vector<uint64_t> naive_best(const std::vector<float>& rows, std::span<const uint64_t> ids,
                                 std::span<const float> query, int64_t k, const IdFilter& filter) {
  std::vector<std::pair<double, uint64_t>> scored;
  for (size_t i = 0; i < ids.size(); ++i) {
    if (filter && !filter(ids[i])) continue;
    double score = 0.0;
    for (size_t j = 0; j < query.size(); ++j) {
      score += static_cast<double>(rows[i * query.size() + j]) * static_cast<double>(query[j]);
    }
    scored.emplace_back(-score, ids[i]);
  }
  std::ranges::sort(scored);
  std::vector<uint64_t> best;
  for (size_t i = 0; i < scored.size() && static_cast<int64_t>(i) < k; ++i) {
    best.push_back(scored[i].second);
  }
  return best;
}

std::vector<uint64_t> ids_of(const std::vector<Hit>& hits) {
  std::vector<uint64_t> ids;
  for (const Hit& hit : hits) ids.push_back(hit.id);
  return ids;
}

std::unique_ptr<VectorIndex> make(IndexKind kind, int64_t dim = kDim) {
  IndexOptions options;
  options.kind = kind;
  return make_index(dim, options);
}

struct Case {
  std::string name;
  IndexKind kind;
  bool on_device = false;
};

std::unique_ptr<VectorIndex> make(const Case& wanted, int64_t dim = kDim) {
  IndexOptions options{.kind = wanted.kind, .device_rows = 1};
  // It fetches few rows, so that much is left for a second look.
  if (wanted.on_device) options.device = std::make_shared<PlainDevice>(40);
  return make_index(dim, options);
}

class EveryKind : public testing::TestWithParam<Case> {};
INSTANTIATE_TEST_SUITE_P(Index, EveryKind,
                         testing::Values(Case{"flat", IndexKind::flat},
                                         Case{"hnsw", IndexKind::hnsw},
                                         Case{"flat_on_a_device", IndexKind::flat, true}),
                         [](const auto& kind) { return kind.param.name; });

TEST_P(EveryKind, SearchGivesValuesByHand) {
  const auto index = make(GetParam(), 2);
  index->add(std::vector<uint64_t>{3, 7, 9, 12}, std::vector<float>{1, 0, 0, 1, 3, 4, -1, -1});
  EXPECT_EQ(index->size(), 4);
  EXPECT_EQ(index->dim(), 2);
  const std::vector<Hit> hits = index->search(std::vector<float>{2, 1}, 3, {});
  ASSERT_EQ(ids_of(hits), (std::vector<uint64_t>{9, 3, 7}));
  EXPECT_EQ(hits[0].score, 10.0F);
  EXPECT_EQ(hits[1].score, 2.0F);
  EXPECT_EQ(hits[2].score, 1.0F);
}

TEST_P(EveryKind, AVectorIsGivenBackUntilItIsRemoved) {
  const auto index = make(GetParam().kind);
  const std::vector<float> rows = random_directions(12, kDim, 3);
  const std::vector<uint64_t> ids = {2, 3, 5, 8, 13, 21, 34, 55, 89, 144, 233, 377};
  index->add(ids, rows);
  for (int64_t i = 0; i < 12; ++i) {
    EXPECT_TRUE(std::ranges::equal(index->vector(ids[static_cast<size_t>(i)]), row(rows, i)));
  }
  EXPECT_TRUE(index->vector(4).empty());
  EXPECT_TRUE(index->vector(1000).empty());
  index->remove(std::vector<uint64_t>{5});
  EXPECT_TRUE(index->vector(5).empty());
  EXPECT_TRUE(std::ranges::equal(index->vector(8), row(rows, 3)));
}

TEST_P(EveryKind, EmptyIndexAndNoneWantedGiveNothing) {
  const auto index = make(GetParam());
  const std::vector<float> query = random_directions(1, kDim, 1);
  EXPECT_TRUE(index->search(query, 8, {}).empty());
  index->add({}, {});
  index->remove(std::vector<uint64_t>{1, 2});
  EXPECT_EQ(index->size(), 0);
  index->add(std::vector<uint64_t>{1}, query);
  EXPECT_TRUE(index->search(query, 0, {}).empty());
  EXPECT_EQ(index->search(query, 8, {}).size(), 1U);
  EXPECT_TRUE(index->search(query, 8, [](uint64_t) { return false; }).empty());
}

TEST_P(EveryKind, EqualScoresComeByLowerId) {
  const auto index = make(GetParam(), 4);
  const std::vector<uint64_t> ids = rising_ids(40, 10, 5);
  std::vector<float> rows(40 * 4, 0.5F);
  index->add(ids, rows);
  EXPECT_EQ(ids_of(index->search(std::vector<float>{1, 1, 1, 1}, 3, {})),
            (std::vector<uint64_t>{10, 15, 20}));
}

TEST_P(EveryKind, FilterIsHonouredHoweverFewPass) {
  const auto index = make(GetParam());
  const std::vector<float> rows = random_directions(1500, kDim, 2);
  const std::vector<uint64_t> ids = rising_ids(1500, 100, 3);
  index->add(ids, rows);
  const std::vector<float> query = random_directions(1, kDim, 3);
  const IdFilter few = [](uint64_t id) { return id % 500 == 1; };
  EXPECT_EQ(ids_of(index->search(query, 8, few)), naive_best(rows, ids, query, 8, few));
  const IdFilter early = [](uint64_t id) { return id < 190; };
  EXPECT_EQ(ids_of(index->search(query, 50, early)), naive_best(rows, ids, query, 50, early));
}

TEST_P(EveryKind, RemovedIdsNeverComeBack) {
  const auto index = make(GetParam());
  const std::vector<float> rows = random_directions(600, kDim, 4);
  const std::vector<uint64_t> ids = rising_ids(600, 0, 2);
  index->add(ids, rows);
  std::set<uint64_t> gone;
  for (uint64_t id = 0; id < 1200; id += 10) {
    index->remove(std::vector<uint64_t>{id, id + 1, id});  // the odd one is unknown
    gone.insert(id);
  }
  EXPECT_EQ(index->size(), 480);
  const auto left = [&](uint64_t id) { return !gone.contains(id); };
  for (int64_t i = 0; i < 20; ++i) {
    const std::span<const float> query = row(rows, i * 5);
    EXPECT_EQ(ids_of(index->search(query, 1000, {})), naive_best(rows, ids, query, 1000, left));
  }
  index->add(std::vector<uint64_t>{5000}, row(rows, 0));
  EXPECT_EQ(index->search(row(rows, 0), 1, {})[0].id, 5000U);
}

TEST_P(EveryKind, LastIdOutlivesItsRow) {
  const auto index = make(GetParam(), 2);
  EXPECT_EQ(index->last_id(), 0U);
  index->add(std::vector<uint64_t>{0, 6}, std::vector<float>{1, 0, 0, 1});
  EXPECT_EQ(index->last_id(), 6U);
  index->remove(std::vector<uint64_t>{0, 6});
  EXPECT_EQ(index->size(), 0);
  EXPECT_EQ(index->last_id(), 6U);
  EXPECT_THROW(index->add(std::vector<uint64_t>{6}, std::vector<float>{1, 0}), Error);
  index->add(std::vector<uint64_t>{7}, std::vector<float>{1, 0});
  EXPECT_EQ(index->last_id(), 7U);
}

TEST_P(EveryKind, GrownEqualsRebuilt) {
  const std::vector<float> rows = random_directions(700, kDim, 5);
  const std::vector<uint64_t> ids = rising_ids(700, 1, 1);
  const auto rebuilt = make(GetParam());
  rebuilt->add(ids, rows);
  const auto grown = make(GetParam());
  for (size_t begin = 0, size = 1; begin < ids.size(); begin += size, size = size % 37 + 3) {
    const size_t count = std::min(size, ids.size() - begin);
    grown->add(std::span(ids).subspan(begin, count),
               std::span(rows).subspan(begin * kDim, count * kDim));
  }
  const std::vector<float> queries = random_directions(30, kDim, 6);
  for (int64_t i = 0; i < 30; ++i) {
    expect_same_hits(grown->search(row(queries, i), 12, {}),
                     rebuilt->search(row(queries, i), 12, {}));
  }
}

TEST_P(EveryKind, ShrunkEqualsRebuiltFromWhatIsLeft) {
  const std::vector<float> rows = random_directions(400, kDim, 7);
  const auto shrunk = make(GetParam());
  shrunk->add(rising_ids(400, 0, 1), rows);
  shrunk->remove(rising_ids(150, 0, 1));  // more than a quarter
  const auto rebuilt = make(GetParam());
  rebuilt->add(rising_ids(250, 150, 1), std::span(rows).subspan(150 * kDim));
  const std::vector<float> query = random_directions(1, kDim, 8);
  expect_same_hits(shrunk->search(query, 10, {}), rebuilt->search(query, 10, {}));
}

TEST_P(EveryKind, WrongInputIsRefused) {
  const auto index = make(GetParam(), 2);
  index->add(std::vector<uint64_t>{4}, std::vector<float>{1, 0});
  const std::vector<float> two{1, 0, 0, 1};
  EXPECT_THROW(index->add(std::vector<uint64_t>{5}, two), Error);
  EXPECT_THROW(index->add(std::vector<uint64_t>{6, 6}, two), Error);
  EXPECT_THROW(index->add(std::vector<uint64_t>{4, 5}, two), Error);
  EXPECT_THROW(index->search(two, 1, {}), Error);
  EXPECT_EQ(index->size(), 1);
}

TEST(FlatIndex, EqualsTheNaiveSearch) {
  const std::vector<float> rows = random_directions(1300, 100, 9);
  const std::vector<uint64_t> ids = rising_ids(1300, 0, 7);
  const auto index = make(IndexKind::flat, 100);
  index->add(ids, rows);
  const std::vector<float> queries = random_directions(40, 100, 10);
  for (int64_t i = 0; i < 40; ++i) {
    const std::span<const float> query = row(queries, i, 100);
    EXPECT_EQ(ids_of(index->search(query, 16, {})), naive_best(rows, ids, query, 16, {}));
  }
}

TEST(FlatIndex, ThreadsDoNotChangeTheResult) {
  const int64_t n = 70000;
  const int64_t dim = 256;
  const std::vector<float> rows = random_directions(n, dim, 11);
  IndexOptions one;
  one.threads = 1;
  IndexOptions four;
  four.threads = 4;
  const auto single = make_index(dim, one);
  const auto several = make_index(dim, four);
  single->add(rising_ids(n, 0, 1), rows);
  several->add(rising_ids(n, 0, 1), rows);
  const std::vector<float> query = random_directions(1, dim, 12);
  const IdFilter filter = [](uint64_t id) { return id % 11 != 0; };
  expect_same_hits(single->search(query, 20, filter), several->search(query, 20, filter));
}

TEST(FlatIndex, NotANumberComesLast) {
  const auto index = make(IndexKind::flat, 1);
  index->add(std::vector<uint64_t>{1, 2, 3}, std::vector<float>{std::nanf(""), -5.0F, 2.0F});
  EXPECT_EQ(ids_of(index->search(std::vector<float>{1}, 3, {})), (std::vector<uint64_t>{3, 2, 1}));
}

TEST(HnswIndex, FindsNearlyAllThatTheExactSearchFinds) {
  const int64_t n = 2000;
  const std::vector<float> rows = random_directions(n, kDim, 13);
  const std::vector<uint64_t> ids = rising_ids(n, 0, 1);
  const auto index = make(IndexKind::hnsw);
  index->add(ids, rows);
  const std::vector<float> queries = random_directions(100, kDim, 14);
  int64_t found = 0;
  for (int64_t i = 0; i < 100; ++i) {
    const std::vector<uint64_t> exact = naive_best(rows, ids, row(queries, i), 10, {});
    for (const uint64_t id : ids_of(index->search(row(queries, i), 10, {}))) {
      found += std::ranges::count(exact, id);
    }
  }
  EXPECT_GT(found, 950);
}

TEST(IndexKindNames, AreReadAndWritten) {
  EXPECT_EQ(parse_index_kind("flat"), IndexKind::flat);
  EXPECT_EQ(parse_index_kind("hnsw"), IndexKind::hnsw);
  EXPECT_EQ(index_kind_name(IndexKind::hnsw), "hnsw");
  EXPECT_THROW(parse_index_kind("ivf"), Error);
}

}  // namespace
}  // namespace memlong::retriever
