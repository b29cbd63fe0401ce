#include "ops/sampling.h"

#include <cmath>
#include <map>
#include <set>

#include <gtest/gtest.h>

namespace memlong::ops {
namespace {

/// Every cut off; a test switches on what it is about.
SamplingOptions plain() { return {.temperature = 1.0F, .top_k = 0, .top_p = 1.0F, .min_p = 0.0F}; }

std::vector<float> logits_of(const std::vector<double>& probabilities) {
  std::vector<float> logits;
  for (const double p : probabilities) logits.push_back(static_cast<float>(std::log(p)));
  return logits;
}

std::map<int32_t, int> draws(const std::vector<float>& logits, const SamplingOptions& options,
                             const std::vector<int32_t>& history = {}, int count = 4000) {
  std::mt19937_64 generator(7);
  std::map<int32_t, int> seen;
  for (int i = 0; i < count; ++i) {
    std::vector<float> copy = logits;
    ++seen[sample(copy, history, options, generator)];
  }
  return seen;
}

std::set<int32_t> possible(const std::vector<float>& logits, const SamplingOptions& options) {
  std::set<int32_t> ids;
  for (const auto& [id, count] : draws(logits, options)) ids.insert(id);
  return ids;
}

using Ids = std::set<int32_t>;
const std::vector<float> kHalves = logits_of({0.125, 0.5, 0.125, 0.25});  // best: 1, 3, then 0, 2

TEST(Sampling, DrawsInProportion) {
  auto seen = draws(kHalves, plain(), {}, 20000);
  EXPECT_NEAR(seen[1] / 20000.0, 0.5, 0.015);
  EXPECT_NEAR(seen[3] / 20000.0, 0.25, 0.015);
  EXPECT_NEAR(seen[0] / 20000.0, 0.125, 0.015);
  EXPECT_NEAR(seen[2] / 20000.0, 0.125, 0.015);
}

TEST(Sampling, TemperatureDividesTheLogits) {
  SamplingOptions options = plain();
  options.temperature = 0.5F;  // squares the probabilities: 1, 16, 1, 4 of 22
  EXPECT_NEAR(draws(kHalves, options, {}, 20000)[1] / 20000.0, 16.0 / 22.0, 0.015);
}

TEST(Sampling, TheLargestLogitsGiveTheSameDraws) {
  std::mt19937_64 source(3);
  std::normal_distribution<float> normal(0.0F, 2.0F);
  std::vector<float> logits(500);
  for (float& logit : logits) logit = normal(source);
  SamplingOptions narrow;
  narrow.top_k = 9;
  narrow.typical_p = 0.8F;
  for (const SamplingOptions& options :
       {SamplingOptions(), narrow, SamplingOptions{.temperature = 0.0F}}) {
    const int64_t needed = candidates_needed(options);
    ASSERT_GT(needed, 0);
    std::mt19937_64 generator(5);
    std::mt19937_64 other(5);
    Context context;
    const TensorView row(logits.data(), DType::f32, {500});
    for (int i = 0; i < 200; ++i) {
      std::vector<float> copy = logits;
      const int32_t id = sample(copy, {}, options, generator);
      ASSERT_EQ(sample_best(top_k(context, row, needed), options, other), id);
    }
    EXPECT_EQ(generator, other);
  }
}

TEST(Sampling, WhatLooksAtEveryLogitNeedsThemAll) {
  EXPECT_EQ(candidates_needed({}), 40);
  EXPECT_EQ(candidates_needed({.temperature = 0.0F, .top_k = 0}), 1);
  EXPECT_EQ(candidates_needed(plain()), 0) << "no top_k";
  EXPECT_EQ(candidates_needed({.top_n_sigma = 1.0F}), 0);
  EXPECT_EQ(candidates_needed({.temperature = 0.0F, .repeat_penalty = 1.1F}), 0);
  EXPECT_EQ(candidates_needed({.frequency_penalty = 0.5F}), 0);
  EXPECT_EQ(candidates_needed({.presence_penalty = 0.5F}), 0);
  EXPECT_EQ(candidates_needed({.repeat_penalty = 1.1F, .repeat_last_n = 0}), 40) << "of nothing";
}

TEST(Sampling, GreedyTakesTheLargestLowestIndexFirst) {
  std::mt19937_64 generator(1);
  std::vector<float> logits = {0.0F, 3.0F, 3.0F, -1.0F};
  EXPECT_EQ(sample(logits, {}, {.temperature = 0.0F}, generator), 1);
  EXPECT_EQ(generator, std::mt19937_64(1));  // greedy draws nothing
}

TEST(Sampling, TopK) {
  SamplingOptions options = plain();
  options.top_k = 2;
  EXPECT_EQ(possible(kHalves, options), (Ids{1, 3}));
  options.top_k = 100;
  EXPECT_EQ(possible(kHalves, options), (Ids{0, 1, 2, 3}));
}

TEST(Sampling, TopPKeepsTheTokenThatReachesIt) {
  SamplingOptions options = plain();
  options.top_p = 0.4F;
  EXPECT_EQ(possible(kHalves, options), Ids{1});
  options.top_p = 0.6F;
  EXPECT_EQ(possible(kHalves, options), (Ids{1, 3}));
  options.top_p = 0.0F;
  EXPECT_EQ(possible(kHalves, options), Ids{1});
}

TEST(Sampling, MinPIsRelativeToTheBestAndComesBeforeTemperature) {
  SamplingOptions options = plain();
  options.min_p = 0.3F;
  EXPECT_EQ(possible(kHalves, options), (Ids{1, 3}));
  options.temperature = 50.0F;
  EXPECT_EQ(possible(kHalves, options), (Ids{1, 3}));
}

TEST(Sampling, TypicalKeepsTheExpectedSurprise) {
  // Entropy 1.213 nats; token 3 (1.386) is nearest, then token 1 (0.693).
  SamplingOptions options = plain();
  options.typical_p = 0.2F;
  EXPECT_EQ(possible(kHalves, options), Ids{3});
  options.typical_p = 0.5F;
  EXPECT_EQ(possible(kHalves, options), (Ids{1, 3}));
}

TEST(Sampling, TopNSigma) {
  const std::vector<float> logits = {3.0F, 1.0F, 0.0F, 0.0F};  // mean 1, deviation 1.225
  SamplingOptions options = plain();
  options.top_n_sigma = 1.0F;
  EXPECT_EQ(possible(logits, options), Ids{0});
  options.top_n_sigma = 2.0F;
  EXPECT_EQ(possible(logits, options), (Ids{0, 1}));
}

TEST(Sampling, PenaltiesTouchRecentTokensOnly) {
  SamplingOptions options{.temperature = 0.0F, .repeat_last_n = 2, .presence_penalty = 1.0F};
  std::mt19937_64 generator(1);
  const auto best = [&](std::vector<float> logits, const std::vector<int32_t>& history) {
    return sample(logits, history, options, generator);
  };
  EXPECT_EQ(best({2.0F, 1.5F}, {0}), 1);
  EXPECT_EQ(best({2.0F, 1.5F}, {0, 1, 1}), 0);  // 0 is too long ago
  options.repeat_last_n = -1;
  EXPECT_EQ(best({2.0F, 1.5F, 1.2F}, {0, 1, 1}), 2);
  options.repeat_last_n = 0;
  EXPECT_EQ(best({2.0F, 1.5F}, {0}), 0);
}

TEST(Sampling, FrequencyCountsAndRepeatScales) {
  std::mt19937_64 generator(1);
  std::vector<float> logits = {2.0F, -2.0F, 1.0F, 5.0F};
  sample(logits, std::vector<int32_t>{0, 0, 1, 99, -1},
         {.temperature = 0.0F,
          .repeat_penalty = 2.0F,
          .frequency_penalty = 0.25F,
          .presence_penalty = 0.125F},
         generator);
  EXPECT_FLOAT_EQ(logits[0], 2.0F / 2.0F - 2 * 0.25F - 0.125F);
  EXPECT_FLOAT_EQ(logits[1], -2.0F * 2.0F - 0.25F - 0.125F);
  EXPECT_FLOAT_EQ(logits[2], 1.0F);
  EXPECT_FLOAT_EQ(logits[3], 5.0F);
}

TEST(Sampling, ForbiddenTokensAreNeverDrawn) {
  EXPECT_EQ(possible({-INFINITY, 0.0F, -INFINITY, 0.0F}, plain()), (Ids{1, 3}));
  EXPECT_EQ(possible({NAN, 0.0F, NAN}, plain()), Ids{1});
}

TEST(Sampling, TheGeneratorDecidesEverything) {
  std::mt19937_64 a(42);
  std::mt19937_64 b(42);
  for (int i = 0; i < 50; ++i) {
    std::vector<float> x = kHalves;
    std::vector<float> y = kHalves;
    EXPECT_EQ(sample(x, {}, {}, a), sample(y, {}, {}, b));
  }
}

}  // namespace
}  // namespace memlong::ops
