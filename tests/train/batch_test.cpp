#include "train/batch.h"

#include <gtest/gtest.h>

namespace memlong::train {
namespace {

TEST(Batch, CountsTokensOfPastsAndSequences) {
  Batch batch;
  batch.pasts.push_back({.ids = {1, 2, 3}, .position = 0});
  batch.sequences.emplace_back().ids = {4, 5};
  EXPECT_EQ(batch.tokens(), 5);
}

TEST(LossSums, AddUp) {
  LossSums a{.loss = 1.0,
             .weight = 2.0,
             .plain_loss = 3.0,
             .targets = 4,
             .answers = 5,
             .exact_answers = 6,
             .exact = {{true}}};
  a += LossSums{.loss = 1.5,
                .weight = 0.5,
                .plain_loss = 1.0,
                .targets = 1,
                .answers = 1,
                .exact_answers = 1,
                .exact = {{false, true}}};
  EXPECT_DOUBLE_EQ(a.loss, 2.5);
  EXPECT_DOUBLE_EQ(a.weight, 2.5);
  EXPECT_DOUBLE_EQ(a.plain_loss, 4.0);
  EXPECT_EQ(a.targets, 5);
  EXPECT_EQ(a.answers, 6);
  EXPECT_EQ(a.exact_answers, 7);
  ASSERT_EQ(a.exact.size(), 2U);
  EXPECT_EQ(a.exact[1], (std::vector<bool>{false, true}));
}

}  // namespace
}  // namespace memlong::train
