// Sets of chunks, gathered on every device that the build has.
#include <map>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "engine/gather.h"
#include "ops/copy.h"
#include "tensor/devices.h"

namespace memlong::engine {
namespace {

constexpr KvLayout kLayout{.kv_heads = 2, .head_dim = 4, .dtype = DType::f32};

/// What element d of token t, head g of a chunk holds; V is half a step higher.
float element(membank::ChunkId id, int64_t g, int64_t t, int64_t d) {
  return static_cast<float>(static_cast<int64_t>(id) * 1000 + g * 100 + t * 10 + d);
}

/// Chunks of a pretended bank, by id, with their numbers of tokens.
struct Store {
  std::map<membank::ChunkId, int64_t> chunks;
  std::vector<membank::ChunkId> read;  ///< every time one was

  ChunkReader reader() {
    return [this](std::span<const ChunkPlace> places) {
      std::vector<bool> there;
      for (const ChunkPlace& place : places) there.push_back(copy(place));
      return there;
    };
  }

  bool copy(const ChunkPlace& place) {
    const auto& [chunk, k, v] = place;
    read.push_back(chunk->id);
    if (!chunks.contains(chunk->id)) return false;
    for (int64_t g = 0; g < k.dim(0); ++g) {
      for (int64_t t = 0; t < k.dim(1); ++t) {
        for (int64_t d = 0; d < k.dim(2); ++d) {
          const float value = element(chunk->id, g, t, d);
          k.data<float>()[g * k.stride(0) + t * k.stride(1) + d] = value;
          v.data<float>()[g * v.stride(0) + t * v.stride(1) + d] = value + 0.5F;
        }
      }
    }
    return true;
  }

  [[nodiscard]] std::vector<RetrievedChunk> of(const std::vector<membank::ChunkId>& ids) const {
    std::vector<RetrievedChunk> found;
    for (const membank::ChunkId id : ids) {
      const auto known = chunks.find(id);
      found.push_back({.id = id,
                       .document = 1,
                       .begin = static_cast<int64_t>(id) * 8,
                       .tokens = known == chunks.end() ? 3 : known->second});
    }
    return found;
  }
};

Store some_chunks() { return {.chunks = {{1, 3}, {2, 5}, {3, 1}, {4, 4}}, .read = {}}; }

/// Whether the set holds exactly the chunks `ids` with their keys and values. "": it does.
std::string differs(Context& context, const Store& store, const RetrievedSet& set,
                    const std::vector<membank::ChunkId>& ids) {
  if (set.chunks.size() != ids.size()) return std::to_string(set.chunks.size()) + " chunks";
  int64_t total = 0;
  for (const membank::ChunkId id : ids) total += store.chunks.at(id);
  if (ids.empty()) return set.k.empty() && set.v.empty() ? "" : "keys of nothing";
  if (set.k.dim(1) != total) return std::to_string(set.k.dim(1)) + " tokens";
  const Tensor k(set.k.shape(), DType::f32);
  const Tensor v(set.v.shape(), DType::f32);
  ops::copy(context, set.k, k);
  ops::copy(context, set.v, v);
  int64_t at = 0;
  for (size_t i = 0; i < ids.size(); ++i) {
    if (set.chunks[i].id != ids[i]) return "chunk " + std::to_string(set.chunks[i].id);
    const int64_t tokens = store.chunks.at(ids[i]);
    for (int64_t t = 0; t < tokens; ++t, ++at) {
      for (int64_t g = 0; g < 2; ++g) {
        for (int64_t d = 0; d < 4; ++d) {
          const float want = element(ids[i], g, t, d);
          const int64_t place = (g * k.dim(1) + at) * 4 + d;
          if (k.data<float>()[place] != want || v.data<float>()[place] != want + 0.5F) {
            return "token " + std::to_string(t) + " of chunk " + std::to_string(ids[i]);
          }
        }
      }
    }
  }
  return "";
}

using Ids = std::vector<membank::ChunkId>;

class Gather : public testing::TestWithParam<Device> {
 protected:
  RetrievedSet gather(SetGatherer& gatherer, const Ids& ids) {
    store_.read.clear();
    return gatherer.gather(store_.of(ids), store_.reader());
  }
  std::string differs(const RetrievedSet& set, const Ids& ids) {
    return engine::differs(context_, store_, set, ids);
  }

  Context context_ = Context({.device = GetParam(), .threads = 1});
  Store store_ = some_chunks();
};

TEST_P(Gather, ASetHoldsItsChunksInTheirOrder) {
  SetGatherer gatherer(context_, kLayout);
  const RetrievedSet set = gather(gatherer, {2, 4, 1});
  EXPECT_EQ(set.k.view().device(), GetParam());
  EXPECT_EQ(differs(set, {2, 4, 1}), "");
  EXPECT_EQ(differs(gather(gatherer, {}), {}), "");
}

TEST_P(Gather, SetsStayAsTheyWereMade) {
  SetGatherer gatherer(context_, kLayout, 2);
  std::vector<RetrievedSet> sets;
  const std::vector<Ids> wanted = {{1, 2}, {3}, {2, 4, 1}, {4, 1}, {1, 2, 3, 4}, {2}};
  for (const Ids& ids : wanted) sets.push_back(gather(gatherer, ids));
  for (size_t i = 0; i < wanted.size(); ++i) EXPECT_EQ(differs(sets[i], wanted[i]), "") << i;
}

TEST_P(Gather, WhatIsGoneIsLeftOut) {
  for (const int64_t cached : {0, 8}) {
    SetGatherer gatherer(context_, kLayout, cached);
    EXPECT_EQ(differs(gather(gatherer, {2, 9, 4}), {2, 4}), "");
    EXPECT_EQ(differs(gather(gatherer, {9, 1, 2, 8}), {1, 2}), "");
    EXPECT_EQ(differs(gather(gatherer, {9}), {}), "");
  }
}

TEST_P(Gather, WhatIsAtHandIsNotReadAgain) {
  SetGatherer gatherer(context_, kLayout, 3);
  EXPECT_EQ(differs(gather(gatherer, {1, 2}), {1, 2}), "");
  EXPECT_EQ(differs(gather(gatherer, {1, 3, 2}), {1, 3, 2}), "");
  EXPECT_EQ(store_.read, Ids({3}));
  EXPECT_EQ(differs(gather(gatherer, {2, 3}), {2, 3}), "");
  EXPECT_EQ(store_.read, Ids());
  EXPECT_EQ(differs(gather(gatherer, {4, 2}), {4, 2}), "") << "and 1 goes";
  EXPECT_EQ(differs(gather(gatherer, {1}), {1}), "");
  EXPECT_EQ(store_.read, Ids({1}));
}

TEST_P(Gather, ASetMayBeLargerThanTheCache) {
  SetGatherer gatherer(context_, kLayout, 2);
  EXPECT_EQ(differs(gather(gatherer, {1, 2, 3, 4}), {1, 2, 3, 4}), "");
  EXPECT_EQ(gatherer.cache().size(), 2);
  EXPECT_EQ(differs(gather(gatherer, {1, 2, 3, 4}), {1, 2, 3, 4}), "");
  EXPECT_EQ(store_.read, Ids({1, 2}));
}

TEST_P(Gather, WhatWasTakenOutOfTheCacheIsReadAgain) {
  SetGatherer gatherer(context_, kLayout, 8);
  gather(gatherer, {1, 2});
  gatherer.cache().erase({.id = 2, .begin = 0});
  store_.chunks.erase(2);
  EXPECT_EQ(differs(gather(gatherer, {1, 2}), {1}), "");
  EXPECT_EQ(store_.read, Ids({2}));
}

TEST_P(Gather, OwnChunksAreKnownByTheirPlace) {
  SetGatherer gatherer(context_, kLayout, 8);
  const auto read = [&](std::vector<RetrievedChunk> chunks) {
    int64_t count = 0;
    (void)gatherer.gather(std::move(chunks), [&](std::span<const ChunkPlace> places) {
      for (const ChunkPlace& place : places) {
        for (const TensorView& view : {place.k, place.v}) {
          for (int64_t g = 0; g < 2; ++g) view.data<float>()[g * view.stride(0)] = 1.0F;
        }
        ++count;
      }
      return std::vector<bool>(places.size(), true);
    });
    return count;
  };
  const RetrievedChunk first{.id = 0, .begin = 16, .tokens = 1};
  const RetrievedChunk second{.id = 0, .begin = 32, .tokens = 1};
  const RetrievedChunk stored{.id = 16, .begin = 16, .tokens = 1};
  EXPECT_EQ(read({first, second, stored}), 3);
  EXPECT_EQ(read({first, second, stored}), 0);
}

std::vector<Device> devices() {
  if (cuda_devices().devices.empty()) return {Device::cpu};
  return {Device::cpu, Device::cuda};
}

INSTANTIATE_TEST_SUITE_P(All, Gather, testing::ValuesIn(devices()));

}  // namespace
}  // namespace memlong::engine
