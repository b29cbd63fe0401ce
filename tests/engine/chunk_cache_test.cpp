#include "engine/chunk_cache.h"

#include <gtest/gtest.h>

namespace memlong::engine {
namespace {

/// A tensor to be known again.
Tensor marked(float value) {
  Tensor kv({2, 1, 3, 4}, DType::f32);
  kv.data<float>()[0] = value;
  return kv;
}

ChunkKey stored(membank::ChunkId id) { return {.id = id, .begin = 0}; }
ChunkKey own(int64_t begin) { return {.id = 0, .begin = begin}; }

float value_of(ChunkCache& cache, const ChunkKey& key) {
  const Tensor* kv = cache.find(key);
  return kv == nullptr ? -1.0F : kv->data<float>()[0];
}

TEST(ChunkCache, FindsWhatWasPutIn) {
  ChunkCache cache(4);
  cache.insert(stored(7), marked(1));
  cache.insert(own(0), marked(2));
  cache.insert(own(64), marked(3));
  EXPECT_EQ(value_of(cache, stored(7)), 1.0F);
  EXPECT_EQ(value_of(cache, own(0)), 2.0F);
  EXPECT_EQ(value_of(cache, own(64)), 3.0F);
  EXPECT_EQ(value_of(cache, stored(64)), -1.0F) << "an id is no position";
  EXPECT_EQ(cache.hits(), 3);
  EXPECT_EQ(cache.misses(), 1);
}

TEST(ChunkCache, TheOneAskedForTheLongestAgoGoesFirst) {
  ChunkCache cache(3);
  for (const uint64_t id : {1U, 2U, 3U}) cache.insert(stored(id), marked(static_cast<float>(id)));
  EXPECT_EQ(value_of(cache, stored(1)), 1.0F);
  cache.insert(stored(4), marked(4));
  EXPECT_EQ(cache.size(), 3);
  EXPECT_EQ(value_of(cache, stored(2)), -1.0F) << "1 was asked for since";
  EXPECT_EQ(value_of(cache, stored(1)), 1.0F);
  EXPECT_EQ(value_of(cache, stored(3)), 3.0F);
  EXPECT_EQ(value_of(cache, stored(4)), 4.0F);
}

TEST(ChunkCache, TheLaterOfTwoUnderOneKeyStays) {
  ChunkCache cache(2);
  cache.insert(own(64), marked(1));
  cache.insert(stored(1), marked(5));
  cache.insert(own(64), marked(2));
  EXPECT_EQ(cache.size(), 2);
  EXPECT_EQ(value_of(cache, own(64)), 2.0F);
  EXPECT_EQ(value_of(cache, stored(1)), 5.0F) << "nothing else had to go";
}

TEST(ChunkCache, WhatWasTakenOutIsNotServed) {
  ChunkCache cache(8);
  for (const uint64_t id : {1U, 2U, 3U}) cache.insert(stored(id), marked(1));
  cache.insert(own(0), marked(1));
  cache.erase(stored(2));
  cache.erase(stored(9));
  EXPECT_EQ(cache.find(stored(2)), nullptr);
  cache.erase_if([](const ChunkKey& key) { return key.id == 0 || key.id == 3; });
  EXPECT_EQ(cache.size(), 1);
  EXPECT_NE(cache.find(stored(1)), nullptr);
  cache.insert(stored(3), marked(9));
  EXPECT_EQ(value_of(cache, stored(3)), 9.0F);
}

TEST(ChunkCache, MayHaveNoRoom) {
  ChunkCache cache(0);
  cache.insert(stored(1), marked(1));
  EXPECT_EQ(cache.size(), 0);
  EXPECT_EQ(cache.find(stored(1)), nullptr);
}

}  // namespace
}  // namespace memlong::engine
