#include "retriever/recency.h"

#include <gtest/gtest.h>

namespace memlong::retriever {
namespace {

TEST(Recency, EachDoublingOfTheDistanceCostsTheSame) {
  const Recency recency{0.03F, 64 * 100, 64};
  const auto back = [&](int64_t chunks) { return recency.loss((100 - chunks) * 64); };
  EXPECT_EQ(back(1), 0.0F) << "right before the window";
  EXPECT_FLOAT_EQ(back(2), 0.03F);
  EXPECT_FLOAT_EQ(back(4), 0.06F);
  EXPECT_FLOAT_EQ(back(64), 0.18F);
  EXPECT_FLOAT_EQ(recency.loss(64 * 100 - 96), 0.03F * std::log2(1.5F))
      << "a window between chunks";
  EXPECT_EQ(recency.loss(64 * 100 - 32), 0.0F) << "never a gain";
  EXPECT_EQ(recency.loss(64 * 100), 0.0F);
  EXPECT_FLOAT_EQ(recency.loss(-64), 0.03F * std::log2(101.0F)) << "before the beginning";
}

TEST(Recency, IsOff) {
  const Recency recency{0.0F, 6400, 64};
  EXPECT_EQ(recency.loss(0), 0.0F);
  EXPECT_EQ(Recency{}.loss(-1000), 0.0F);
}

}  // namespace
}  // namespace memlong::retriever
