#include "retriever/merge.h"

#include <gtest/gtest.h>

namespace memlong::retriever {
namespace {

TEST(MergeBest, TakesTheBestScoreOfEachIdInOrder) {
  const std::vector<std::vector<Hit>> rankings = {
      {{4, 0.9F}, {1, 0.5F}, {7, 0.1F}}, {}, {{7, 0.6F}, {2, 0.5F}, {4, 0.2F}}};
  const std::vector<Hit> merged = merge_best(rankings, 10);
  ASSERT_EQ(merged.size(), 4U);
  const std::vector<std::pair<uint64_t, float>> wanted = {
      {4, 0.9F}, {7, 0.6F}, {1, 0.5F}, {2, 0.5F}};
  for (size_t i = 0; i < wanted.size(); ++i) {
    EXPECT_EQ(merged[i].id, wanted[i].first);
    EXPECT_EQ(merged[i].score, wanted[i].second);
  }
}

TEST(MergeBest, KeepsAtMostK) {
  const std::vector<std::vector<Hit>> rankings = {{{3, 1.0F}, {2, 0.5F}}, {{1, 0.7F}}};
  const std::vector<Hit> two = merge_best(rankings, 2);
  ASSERT_EQ(two.size(), 2U);
  EXPECT_EQ(two[0].id, 3U);
  EXPECT_EQ(two[1].id, 1U);
  EXPECT_TRUE(merge_best(rankings, 0).empty());
  EXPECT_TRUE(merge_best({}, 5).empty());
}

}  // namespace
}  // namespace memlong::retriever
