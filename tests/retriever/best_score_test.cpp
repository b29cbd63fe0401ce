#include "retriever/best_score.h"

#include <gtest/gtest.h>

namespace memlong::retriever {
namespace {

using Vector = std::vector<float>;

TEST(BestScore, IsThatOfTheLikestQuery) {
  const Vector vector = {0.6F, 0.8F};
  const Vector along = {0.8F, 0.6F};
  const Vector against = {-1.0F, 0.0F};
  EXPECT_FLOAT_EQ(best_score(std::vector<Vector>{along}, vector), 0.96F);
  EXPECT_FLOAT_EQ(best_score(std::vector<Vector>{against, along}, vector), 0.96F);
  EXPECT_FLOAT_EQ(best_score(std::vector<Vector>{against}, vector), -0.6F);
}

TEST(BestScore, NothingIsLikeNoQuery) {
  EXPECT_EQ(best_score({}, Vector{1.0F}), -std::numeric_limits<float>::infinity());
}

}  // namespace
}  // namespace memlong::retriever
