// Which chunks memlong-eval reads of a text, by each of its choices.
#include "tools/memlong-eval/text_memory.h"

#include <cmath>
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/reference_model.h"

namespace memlong::eval_tool {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

constexpr int64_t kTokens = 64;  // of a chunk of the reference model
constexpr int64_t kChunks = 12;

/// A text of twelve chunks; the vector of each points along the axis of its place.
class TextMemoryTest : public testing::Test {
 protected:
  void SetUp() override {
    model_ = std::make_shared<engine::LoadedModel>(*test::reference_model(context_, DType::bf16));
    model_->settings.top_k = 2;
    model_->settings.neighbours = 0;
    model_->settings.recent_chunks = 0;
    model_->settings.recency = 0.0;
    for (int64_t place = 0; place < kChunks; ++place) {
      engine::EncodedChunk chunk;
      chunk.begin = place * kTokens;
      chunk.ids.assign(kTokens, 5);
      chunk.vector = like({{place, 1.0F}});
      chunk.k =
          Tensor::zeros({model_->config.kv_heads, kTokens, model_->config.head_dim}, DType::bf16);
      chunk.v = Tensor::zeros(chunk.k.shape(), DType::bf16);
      chunks_.push_back(std::move(chunk));
    }
    memory_.emplace(context_, model_, chunks_);
  }

  static std::vector<float> like(const std::map<int64_t, float>& places) {
    std::vector<float> vector(256, 0.0F);
    for (const auto& [place, score] : places) vector[static_cast<size_t>(place)] = score;
    return vector;
  }

  /// Places of what a window that begins at `window_start` (in chunks) reads.
  std::vector<int64_t> places(const std::vector<std::vector<float>>& queries, int64_t window_start,
                              bool as_text = true) {
    const auto set = memory_->retrieve(
        {.queries = queries, .window_start = window_start * kTokens, .as_text = as_text});
    std::vector<int64_t> places;
    for (const engine::RetrievedChunk& chunk : set->chunks) {
      places.push_back(chunk.begin / kTokens);
    }
    return places;
  }

  Context context_;
  std::shared_ptr<engine::LoadedModel> model_;
  std::vector<engine::EncodedChunk> chunks_;
  std::optional<TextMemory> memory_;
};

TEST_F(TextMemoryTest, TheLikestOfAnyQueryBeforeTheWindow) {
  const std::vector<float> query = like({{1, 0.9F}, {4, 0.8F}, {7, 0.95F}});
  EXPECT_THAT(places({query}, 12), ElementsAre(1, 7));
  EXPECT_THAT(places({query}, 7), ElementsAre(1, 4)) << "7 is in the window";
  EXPECT_THAT(places({query, like({{9, 0.99F}})}, 12), ElementsAre(7, 9));
  EXPECT_THAT(places({query}, 0), IsEmpty());
}

TEST_F(TextMemoryTest, NothingBeforeTheContext) {
  memory_->limit(3 * kTokens);
  EXPECT_THAT(places({like({{1, 0.9F}, {4, 0.8F}, {7, 0.7F}})}, 12), ElementsAre(4, 7));
}

TEST_F(TextMemoryTest, TextReadsWhatIsNearBesides) {
  model_->settings.recent_chunks = 3;
  const std::vector<float> query = like({{1, 0.9F}, {4, 0.8F}, {10, 0.95F}});
  EXPECT_THAT(places({query}, 12), ElementsAre(1, 4, 9, 10, 11)) << "10 takes no place";
  EXPECT_THAT(places({query}, 12, false), ElementsAre(1, 10)) << "an answered message does not";
  EXPECT_THAT(places({query}, 2), ElementsAre(0, 1));
  memory_->limit(10 * kTokens);
  EXPECT_THAT(places({query}, 12), ElementsAre(10, 11));
}

TEST_F(TextMemoryTest, TextPrefersWhatIsNear) {
  model_->settings.top_k = 1;
  const std::vector<float> query = like({{0, 0.9F}, {10, 0.8F}});
  model_->settings.recency = 0.038;  // 12 chunks back and 2: 0.038 log2(6) = 0.098
  EXPECT_THAT(places({query}, 12), ElementsAre(0));
  model_->settings.recency = 0.039;  // 0.101
  EXPECT_THAT(places({query}, 12), ElementsAre(10));
  EXPECT_THAT(places({query}, 12, false), ElementsAre(0));
}

TEST_F(TextMemoryTest, TheBestBringThoseBesideThem) {
  model_->settings.top_k = 4;
  model_->settings.neighbours = 1;
  const std::vector<float> query = like({{4, 0.9F}, {0, 0.8F}, {8, 0.7F}});
  EXPECT_THAT(places({query}, 12), ElementsAre(0, 3, 4, 5));
  model_->settings.recent_chunks = 7;
  EXPECT_THAT(places({query}, 12), ElementsAre(0, 1, 3, 4, 5, 6, 7, 8, 9, 10, 11))
      << "5 is among the recent ones";
}

TEST_F(TextMemoryTest, WhatIsHandedOverComesFirst) {
  memory_->hand_over(2 * kTokens + 60, 3 * kTokens + 1);
  const std::vector<float> query = like({{7, 0.9F}, {8, 0.8F}});
  EXPECT_THAT(places({query}, 12, false), ElementsAre(2, 3)) << "a fact across a border";
  model_->settings.top_k = 3;
  EXPECT_THAT(places({query}, 12, false), ElementsAre(2, 3, 7));
  EXPECT_THAT(places({query}, 3, false), Contains(2)) << "as far as it may be read";
  EXPECT_THAT(places({query}, 3, false), SizeIs(3));
}

TEST_F(TextMemoryTest, RandomChunksAreAsManyAndOtherOnesEachTime) {
  model_->settings.recent_chunks = 3;
  memory_->choose(Choice::random, 7);
  const std::vector<float> query = like({{1, 0.9F}});
  std::set<std::vector<int64_t>> seen;
  for (int i = 0; i < 8; ++i) {
    const std::vector<int64_t> found = places({query}, 12);
    EXPECT_THAT(found, SizeIs(5));
    EXPECT_EQ(std::set(found.begin(), found.end()).size(), 5U);
    seen.insert(found);
  }
  EXPECT_GT(seen.size(), 4U);
  EXPECT_THAT(places({query}, 3), ElementsAre(0, 1, 2)) << "there are no more";
  EXPECT_THAT(places({query}, 12, false), SizeIs(2)) << "as a message reads";
  memory_->choose(Choice::random, 7);
  EXPECT_TRUE(seen.contains(places({query}, 12))) << "a seed gives them again";
}

TEST_F(TextMemoryTest, AllIsAll) {
  memory_->choose(Choice::all, 0);
  EXPECT_THAT(places({like({{1, 0.9F}})}, 5), ElementsAre(0, 1, 2, 3, 4));
  memory_->limit(3 * kTokens);
  EXPECT_THAT(places({like({{1, 0.9F}})}, 5), ElementsAre(3, 4));
}

}  // namespace
}  // namespace memlong::eval_tool
