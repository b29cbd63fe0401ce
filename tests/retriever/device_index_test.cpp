// A flat index with a device: the hits and the scores of the processor's, bit for bit, whatever is
// removed, filtered, rounded or broken.
#include <cmath>
#include <limits>
#include <random>

#include <gtest/gtest.h>

#include "common/error.h"
#include "common/file.h"
#include "retriever/index.h"
#include "retriever/index_pair.h"
#include "retriever/plain_device.h"
#include "retriever/random_vectors.h"
#include "support/temp_folder.h"

namespace memlong::retriever {
namespace {

constexpr int64_t kDim = 40;

struct Pair : IndexPair<PlainDevice> {
  explicit Pair(std::shared_ptr<PlainDevice> with, int64_t device_rows = 64)
      : IndexPair(std::move(with), device_rows, kDim) {}
};

Pair filled(int64_t rows, int64_t most_fetched = 256, double error = 1e-3) {
  Pair pair(std::make_shared<PlainDevice>(most_fetched, error));
  pair.add(rising_ids(rows, 1, 3), random_directions(rows, kDim, 1));
  return pair;
}

std::vector<float> query_of(uint32_t seed) { return random_directions(1, kDim, seed); }

TEST(DeviceIndex, GivesTheSameHitsThroughRandomChanges) {
  std::mt19937 random(3);
  for (const double error : {0.0, 1e-3, 0.1}) {
    const Pair pair(std::make_shared<PlainDevice>(200, error), 50);
    uint64_t next = 1;
    for (int step = 0; step < 60; ++step) {
      const int64_t count = static_cast<int64_t>(random() % 30);
      pair.add(rising_ids(count, next, 1), random_directions(count, kDim, random()));
      next += static_cast<uint64_t>(count);
      if (step % 3 == 0) {
        std::vector<uint64_t> going;
        for (uint64_t i = random() % 20; i > 0; --i) going.push_back(random() % (next + 5));
        pair.remove(going);
      }
      const uint64_t divisor = 1 + random() % 12;
      const uint64_t rest = random() % divisor;
      const auto k = static_cast<int64_t>(1 + random() % 20);
      pair.expect_same(query_of(random()), k);
      pair.expect_same(query_of(random()), k, [&](uint64_t id) { return id % divisor == rest; });
      ASSERT_EQ(pair.tested->size(), pair.plain->size());
      ASSERT_EQ(pair.tested->last_id(), pair.plain->last_id());
    }
    EXPECT_GT(pair.device->counts.loads, 2);
    EXPECT_GT(pair.device->counts.searches, 60);
  }
}

TEST(DeviceIndex, LoadsWhereThereIsEnoughAndAnewWhenMuchIsBehind) {
  const Pair pair(std::make_shared<PlainDevice>());
  const std::vector<float> rows = random_directions(1000, kDim, 2);
  const auto add = [&](int64_t from, int64_t to) {
    pair.add(rising_ids(to - from, static_cast<uint64_t>(from), 1),
             std::span(rows).subspan(static_cast<size_t>(from * kDim),
                                     static_cast<size_t>((to - from) * kDim)));
    pair.expect_same(query_of(4), 5);
  };
  add(0, 64);
  EXPECT_EQ(pair.device->counts.loads, 0);
  add(64, 65);
  EXPECT_EQ(pair.device->counts.loaded, 65);
  add(65, 65 + 64);
  EXPECT_EQ(pair.device->counts.loaded, 65);
  add(65 + 64, 800);
  EXPECT_EQ(pair.device->counts.loaded, 800);
  add(800, 900);  // an eighth
  EXPECT_EQ(pair.device->counts.loaded, 800);
  add(900, 901);
  EXPECT_EQ(pair.device->counts.loaded, 901);
  EXPECT_EQ(pair.device->counts.loads, 3);
}

TEST(DeviceIndex, RemovedRowsStayOnTheDeviceAndAreNeverReturned) {
  const Pair pair = filled(400);
  const std::vector<float> query = query_of(5);
  pair.expect_same(query, 8);
  for (int i = 0; i < 100; ++i) {  // always the best one: the device would name it first
    const uint64_t best = pair.plain->search(query, 1, {})[0].id;
    pair.remove(std::vector<uint64_t>{best});
    for (const Hit& hit : pair.tested->search(query, 400, {})) ASSERT_NE(hit.id, best);
    pair.expect_same(query, 8);
  }
  EXPECT_EQ(pair.device->counts.loads, 1);
  EXPECT_EQ(pair.device->counts.loaded, 400);
  pair.remove(std::vector<uint64_t>{pair.plain->search(query, 1, {})[0].id});  // past a quarter
  pair.expect_same(query, 8);
  EXPECT_EQ(pair.device->counts.loads, 2);
  EXPECT_EQ(pair.device->counts.loaded, 299);
}

TEST(DeviceIndex, RemovedToFewFreesTheDevice) {
  const Pair pair = filled(100);
  pair.expect_same(query_of(6), 5);
  EXPECT_EQ(pair.device->counts.loaded, 100);
  pair.remove(rising_ids(50, 1, 3));
  pair.expect_same(query_of(6), 5);
  EXPECT_EQ(pair.device->counts.loaded, 0);
  pair.remove(rising_ids(100, 1, 3));
  EXPECT_TRUE(pair.tested->search(query_of(6), 5, {}).empty());
}

TEST(DeviceIndex, FetchesMoreUntilEnoughPassTheFilter) {
  const Pair pair = filled(1000, 256);
  pair.expect_same(query_of(7), 4, {});
  EXPECT_EQ(pair.device->counts.searches, 1);
  EXPECT_EQ(pair.device->counts.largest_fetch, 40);
  pair.expect_same(query_of(7), 4, [](uint64_t id) { return id % 10 == 1; });
  EXPECT_EQ(pair.device->counts.largest_fetch, 256);
  EXPECT_EQ(pair.device->counts.searches, 3);
}

TEST(DeviceIndex, LooksAtAllRowsWhereTheDeviceCannotFetchEnough) {
  const Pair pair = filled(1000, 50);
  pair.expect_same(query_of(8), 4, [](uint64_t id) { return id % 200 == 1; });
  EXPECT_EQ(pair.device->counts.searches, 2);
  pair.expect_same(query_of(8), 4, [](uint64_t) { return false; });
  EXPECT_EQ(pair.device->counts.searches, 4);
  pair.expect_same(query_of(8), 51);  // more than it can ever prove
  pair.expect_same(query_of(8), std::numeric_limits<int64_t>::max());
  EXPECT_EQ(pair.device->counts.searches, 4);
}

TEST(DeviceIndex, TakesAllRowsOfASmallDeviceAsProof) {
  const Pair pair = filled(100, 256);
  pair.expect_same(query_of(9), 4, [](uint64_t id) { return id == 31; });
  pair.expect_same(query_of(9), 1000);
  EXPECT_EQ(pair.device->counts.largest_fetch, 100);
  EXPECT_EQ(pair.device->counts.searches, 3);
}

TEST(DeviceIndex, EqualScoresComeByLowerId) {
  const Pair pair(std::make_shared<PlainDevice>(64, 0.0));
  std::vector<float> rows = random_directions(500, kDim, 10);
  for (int64_t row = 0; row < 500; row += 2) {  // every second one is the same
    std::copy_n(rows.begin(), kDim, rows.begin() + row * kDim);
  }
  pair.add(rising_ids(500, 10, 1), rows);
  const std::span<const float> query = std::span(rows).first(kDim);
  pair.expect_same(query, 3);
  EXPECT_EQ(pair.tested->search(query, 3, {})[2].id, 14U);
}

TEST(DeviceIndex, WhatCannotBeComparedIsLeftToTheProcessor) {
  for (const float odd : {std::nanf(""), std::numeric_limits<float>::infinity(), 3e38F}) {
    const Pair pair(std::make_shared<PlainDevice>());
    std::vector<float> rows = random_directions(300, kDim, 11);
    rows[100 * kDim] = odd;
    pair.add(rising_ids(300, 1, 1), rows);
    pair.expect_same(query_of(12), 300);
    std::vector<float> query = query_of(12);
    query[0] = odd;
    pair.expect_same(query, 10);
  }
}

TEST(DeviceIndex, RowsThatTheDeviceLosesAreFoundAllTheSame) {
  const Pair pair = filled(300, 256);
  pair.device->lose_rows = true;
  pair.expect_same(query_of(13), 8);
  pair.expect_same(query_of(13), 300);
}

TEST(DeviceIndex, ManyQueriesGoInOneCall) {
  const Pair pair = filled(600);
  const IdFilter filter = [](uint64_t id) { return id % 2 == 0; };
  pair.expect_all_same(random_directions(17, kDim, 20), 6, filter);
  EXPECT_EQ(pair.device->counts.searches, 1);
  EXPECT_EQ(pair.device->counts.queries, 17);
  EXPECT_TRUE(pair.tested->search_all({}, 6, filter).empty());
}

TEST(DeviceIndex, ABrokenDeviceIsGivenUpOnceAndTheResultsStay) {
  for (const bool at_load : {true, false}) {
    const Pair pair = filled(300);
    (at_load ? pair.device->refuse_load : pair.device->refuse_search) = true;
    testing::internal::CaptureStderr();
    pair.expect_same(query_of(14), 8);
    pair.add(rising_ids(300, 5000, 1), random_directions(300, kDim, 15));
    pair.expect_same(query_of(14), 8);
    const std::string said = testing::internal::GetCapturedStderr();
    const std::string line = "the bank is searched on the CPU from now on: ";
    EXPECT_EQ(said.find(line), said.rfind(line)) << said;
    EXPECT_NE(said.find(at_load ? "no memory is left" : "the device is broken"), std::string::npos);
    EXPECT_EQ(pair.device->counts.loads, 1);
    EXPECT_EQ(pair.device->counts.loaded, 0);
  }
}

TEST(DeviceIndex, SnapshotsAreTheSameWithAndWithout) {
  const test::TempFolder folder;
  const Pair pair = filled(200);
  pair.remove(rising_ids(20, 1, 3));
  pair.tested->save(folder / "with", 9, "key");
  pair.plain->save(folder / "without", 9, "key");
  EXPECT_EQ(read_file(folder / "with"), read_file(folder / "without"));
  const auto device = std::make_shared<PlainDevice>();
  const LoadedIndex loaded =
      load_index(folder / "without", kDim, "key", {.device = device, .device_rows = 64});
  ASSERT_NE(loaded.index, nullptr);
  EXPECT_EQ(loaded.index->search(query_of(16), 1, {})[0].id,
            pair.plain->search(query_of(16), 1, {})[0].id);
  EXPECT_EQ(device->counts.loaded, 180);
}

TEST(DeviceIndex, WrongInputIsRefused) {
  const Pair pair = filled(100);
  EXPECT_THROW((void)pair.tested->search(std::vector<float>(kDim + 1), 1, {}), Error);
  EXPECT_THROW(pair.tested->add(std::vector<uint64_t>{1}, query_of(1)), Error);
  EXPECT_TRUE(pair.tested->search(query_of(1), 0, {}).empty());
}

}  // namespace
}  // namespace memlong::retriever
