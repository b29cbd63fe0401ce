// What a device that searches must do, for each that there is: plain loops always, FAISS on a GPU
// where there are both.
#include "retriever/search_device.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <set>
#include <thread>

#include <gtest/gtest.h>

#include "common/error.h"
#include "retriever/faiss_gpu.h"
#include "retriever/index_pair.h"
#include "retriever/plain_device.h"
#include "retriever/random_vectors.h"
#include "retriever/watched_device.h"

namespace memlong::retriever {
namespace {

enum class Kind : uint8_t { plain, f32, f16 };

/// Skips, with the reason, where the device is not there.
class EveryDevice : public testing::TestWithParam<Kind> {
 protected:
  void SetUp() override {
    std::shared_ptr<SearchDevice> device;
    if (GetParam() == Kind::plain) {
      device = std::make_shared<PlainDevice>(2048);
    } else {
      try {
        device = open_faiss_gpu({.half = GetParam() == Kind::f16});
      } catch (const Error& error) {
        GTEST_SKIP() << error.what();
      }
    }
    device_ = std::make_shared<WatchedDevice>(std::move(device));
  }
  void TearDown() override {
    if (device_ == nullptr) return;
    EXPECT_GT(device_->counts.searches, 0);
    EXPECT_EQ(device_->counts.failures, 0);
  }

  [[nodiscard]] IndexPair<WatchedDevice> pair(int64_t dim, int64_t device_rows = 50) const {
    return {device_, device_rows, dim};
  }
  /// What n queries in one call fetch, against all scores in double.
  void expect_best(const std::vector<float>& rows, const std::vector<float>& queries, int64_t dim,
                   int64_t fetch);

  std::shared_ptr<WatchedDevice> device_;
};
INSTANTIATE_TEST_SUITE_P(Plain, EveryDevice, testing::Values(Kind::plain),
                         [](const auto& /*kind*/) { return "f32"; });
INSTANTIATE_TEST_SUITE_P(FaissGpu, EveryDevice, testing::Values(Kind::f32, Kind::f16),
                         [](const auto& kind) { return kind.param == Kind::f16 ? "f16" : "f32"; });

std::vector<double> real_scores(const std::vector<float>& rows, std::span<const float> query) {
  std::vector<double> scores;
  for (size_t at = 0; at < rows.size(); at += query.size()) {
    double score = 0;
    for (size_t i = 0; i < query.size(); ++i) {
      score += static_cast<double>(rows[at + i]) * static_cast<double>(query[i]);
    }
    scores.push_back(score);
  }
  return scores;
}

void EveryDevice::expect_best(const std::vector<float>& rows, const std::vector<float>& queries,
                              int64_t dim, int64_t fetch) {
  const auto count = static_cast<size_t>(fetch);
  const auto width = static_cast<size_t>(dim);
  const size_t n = queries.size() / width;
  const double error = device_->score_error(dim, 1.0001, 1.0001);
  const auto loaded = device_->load(rows, dim);
  std::vector<int64_t> found(n * count, -2);
  std::vector<float> scores(n * count);
  loaded->search(queries, fetch, found, scores);
  for (size_t q = 0; q < n; ++q) {
    std::vector<double> real = real_scores(rows, std::span(queries).subspan(q * width, width));
    const std::span<const float> given = std::span(scores).subspan(q * count, count);
    ASSERT_TRUE(std::ranges::is_sorted(given, std::greater<>()));
    for (size_t i = 0; i < count; ++i) {
      const int64_t row = found[q * count + i];
      ASSERT_TRUE(row >= 0 && row < static_cast<int64_t>(real.size())) << row;
      double& score = real[static_cast<size_t>(row)];
      ASSERT_FALSE(std::isnan(score)) << "row " << row << " comes twice";
      ASSERT_NEAR(given[i], score, error) << "place " << i << " of " << fetch;
      score = std::nan("");
    }
    for (const double score : real) {  // a number: it was not fetched
      ASSERT_TRUE(std::isnan(score) || score <= given.back() + error) << score;
    }
  }
}

TEST_P(EveryDevice, FetchesTheBestInEveryDimension) {
  for (const int64_t dim : {1, 2, 3, 8, 31, 32, 33, 100, 300, 1024, 3200}) {
    const std::vector<float> rows = random_directions(700, dim, 1);
    for (const int64_t n : {1, 3}) {
      SCOPED_TRACE(dim);
      expect_best(rows, random_directions(n, dim, 2), dim, 40);
    }
  }
}

TEST_P(EveryDevice, FetchesAsManyAsAreWanted) {
  const std::vector<float> rows = random_directions(2500, 24, 3);
  for (const int64_t edge : {1, 32, 64, 128, 256, 512, 1024, 2048}) {
    for (const int64_t fetch : {edge - 1, edge, edge + 1}) {
      if (fetch < 1 || fetch > device_->most_fetched()) continue;
      SCOPED_TRACE(fetch);
      expect_best(rows, random_directions(2, 24, 4), 24, fetch);
    }
  }
  const std::vector<float> few = random_directions(33, 24, 5);
  for (const int64_t fetch : {1, 32, 33}) expect_best(few, random_directions(2, 24, 6), 24, fetch);
}

TEST_P(EveryDevice, FindsWhatTheProcessorFinds) {
  constexpr int64_t kRows = 20000;
  constexpr int64_t kDim = 256;
  const auto both = pair(kDim);
  both.add(rising_ids(kRows, 1, 1), random_directions(kRows, kDim, 3));
  const std::vector<float> queries = random_directions(70, kDim, 4);
  both.expect_all_same(queries, 16);
  both.expect_same(std::span(queries).first(kDim), 16);
  // What the device fetched was proof: nothing was asked twice.
  EXPECT_EQ(device_->counts.searches, 2);
  for (const uint64_t step : {1, 7, 900}) {
    both.expect_all_same(queries, 16, [&](uint64_t id) { return id % step == 0; });
    both.remove(rising_ids(2000, step, 5));
  }
}

TEST_P(EveryDevice, SameHitsForEveryDimensionAndNumberOfHits) {
  for (const int64_t dim : {1, 2, 7, 33, 64, 300, 1024, 3200}) {
    const auto both = pair(dim);
    both.add(rising_ids(700, 1, 2), random_directions(700, dim, 7));
    const std::vector<float> queries = random_directions(33, dim, 8);
    for (const int64_t k : {1, 8, 100, 699, 700, 701, 5000}) {
      SCOPED_TRACE(std::to_string(dim) + " numbers, " + std::to_string(k) + " hits");
      both.expect_same(std::span(queries).first(static_cast<size_t>(dim)), k);
      if (k <= 8) both.expect_all_same(queries, k);
    }
    both.expect_same(std::span(queries).first(static_cast<size_t>(dim)),
                     std::numeric_limits<int64_t>::max());
  }
}

TEST_P(EveryDevice, MoreHitsThanItCanFetch) {
  const auto both = pair(24);
  both.add(rising_ids(3000, 1, 1), random_directions(3000, 24, 9));
  const std::vector<float> query = random_directions(1, 24, 10);
  for (const int64_t k : {1000, 1025, 2047, 2048, 2049, 3000, 3001}) both.expect_same(query, k);
}

TEST_P(EveryDevice, SameHitsThroughRandomChanges) {
  std::mt19937 random(11);
  const auto both = pair(40);
  std::vector<uint64_t> ids = {uint64_t{1} << 40};  // far beyond the number of rows
  both.add(ids, random_directions(1, 40, random()));
  for (int step = 0; step < 60; ++step) {
    const auto count = static_cast<int64_t>(random() % 40);
    const std::vector<uint64_t> more =
        rising_ids(count, ids.back() + 1 + random() % 1000, 1 + random() % 5);
    both.add(more, random_directions(count, 40, random()));
    ids.insert(ids.end(), more.begin(), more.end());
    if (step % 3 == 0) {
      std::set<uint64_t> going;
      for (uint64_t i = random() % 25; i > 0; --i) going.insert(ids[random() % ids.size()]);
      both.remove(std::vector<uint64_t>(going.begin(), going.end()));
    }
    const uint64_t divisor = 1 + random() % 12;
    const auto k = static_cast<int64_t>(1 + random() % 20);
    both.expect_same(random_directions(1, 40, random()), k);
    both.expect_same(random_directions(1, 40, random()), k,
                     [&](uint64_t id) { return id % divisor == 0; });
    ASSERT_EQ(both.tested->size(), both.plain->size());
  }
  EXPECT_GT(device_->counts.loads, 2);
}

TEST_P(EveryDevice, EqualScoresComeByLowerId) {
  for (const int64_t count : {500, 5000}) {  // fewer, and more, than are fetched
    const auto both = pair(40);
    std::vector<float> rows = random_directions(count, 40, 12);
    for (int64_t row = 0; row < count; row += 2) {
      std::copy_n(rows.begin(), 40, rows.begin() + row * 40);
    }
    both.add(rising_ids(count, 10, 1), rows);
    both.expect_same(std::span(rows).first(40), 3);
    both.expect_same(std::span(rows).first(40), count / 2 + 10);
  }
}

TEST_P(EveryDevice, OddVectorsChangeNothing) {
  for (const float odd :
       {0.0F, 1e-30F, 1e5F, 3e38F, std::numeric_limits<float>::infinity(), std::nanf("")}) {
    SCOPED_TRACE(odd);
    const auto both = pair(40);
    std::vector<float> rows = random_directions(300, 40, 13);
    std::fill_n(rows.begin() + 100 * 40, 40, 0.0F);
    rows[100 * 40 + 3] = odd;
    std::vector<float> query = random_directions(1, 40, 14);
    both.add(rising_ids(300, 1, 1), rows);
    both.expect_same(query, 300);
    both.expect_same(query, 5);
    query[0] = odd;
    both.expect_same(query, 10);
  }
  expect_best(random_directions(100, 8, 1), random_directions(1, 8, 2), 8, 10);  // it still works
}

TEST_P(EveryDevice, SearchesRunSideBySide) {
  const auto both = pair(64);
  both.add(rising_ids(2000, 1, 1), random_directions(2000, 64, 15));
  std::vector<std::thread> threads;
  for (uint32_t thread = 0; thread < 4; ++thread) {
    threads.emplace_back([&, thread] {
      for (uint32_t i = 0; i < 10; ++i) {
        both.expect_same(random_directions(1, 64, 100 * thread + i), 8);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

// More than FAISS multiplies in one go (2^18 rows, 2^17 of few numbers), with fewer left than are
// wanted; more than it takes up or rounds to f16 in one go (2^19 rows, 256 MiB).
TEST_P(EveryDevice, ManyVectors) {
  const int64_t part = GetParam() == Kind::plain ? 20 : 1;
  for (const auto& [rows, dim] :
       {std::pair<int64_t, int64_t>{600000, 32}, {(1 << 18) + 6, 64}, {80000, 1024}}) {
    SCOPED_TRACE(dim);
    const auto both = pair(dim);
    both.add(rising_ids(rows / part, 1, 1), random_directions(rows / part, dim, 16));
    const int64_t before = device_->counts.searches;
    both.expect_all_same(random_directions(40 / part, dim, 17), 16);
    EXPECT_EQ(device_->counts.searches, before + 1);
  }
}

}  // namespace
}  // namespace memlong::retriever
