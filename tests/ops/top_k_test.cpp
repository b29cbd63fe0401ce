#include "ops/top_k.h"

#include <algorithm>
#include <cmath>

#include <gtest/gtest.h>

#include "common/error.h"
#include "ops/reference.h"

namespace memlong::ops {
namespace {

Tensor row(const std::vector<float>& values) {
  const Tensor x({static_cast<int64_t>(values.size())}, DType::f32);
  std::copy(values.begin(), values.end(), x.data<float>());
  return x;
}

std::vector<int64_t> indices(const std::vector<float>& values, int64_t k) {
  Context context;
  std::vector<int64_t> result;
  for (const Scored& scored : top_k(context, row(values), k)) {
    EXPECT_TRUE(std::isnan(scored.value) ||
                scored.value == values[static_cast<size_t>(scored.index)]);
    result.push_back(scored.index);
  }
  return result;
}

using Indices = std::vector<int64_t>;

TEST(TopK, LargestFirstTiesByLowerIndex) {
  EXPECT_EQ(indices({1, 5, 3, 5, 2}, 3), (Indices{1, 3, 2}));
  EXPECT_EQ(indices({2, 2, 2, 2, 2}, 3), (Indices{0, 1, 2}));
  EXPECT_EQ(indices({1, 2, 3}, 10), (Indices{2, 1, 0}));
  EXPECT_EQ(indices({1, 2}, 0), Indices{});
  EXPECT_EQ(indices({0.0F, -0.0F, 0.0F}, 2), (Indices{0, 1}));
}

TEST(TopK, NanIsSmallest) {
  EXPECT_EQ(indices({NAN, 1, NAN, -INFINITY, 2}, 5), (Indices{4, 1, 3, 0, 2}));
  EXPECT_EQ(indices({NAN, NAN, -INFINITY}, 1), Indices{2});
}

TEST(TopK, AgreesWithASort) {
  const Tensor x = reference::random_tensor({5000}, DType::f32, 1);
  Context context;
  std::vector<float> sorted(x.data<float>(), x.data<float>() + 5000);
  std::sort(sorted.rbegin(), sorted.rend());
  const std::vector<Scored> best = top_k(context, x, 40);
  ASSERT_EQ(best.size(), 40U);
  for (size_t i = 0; i < 40; ++i) EXPECT_EQ(best[i].value, sorted[i]);
}

TEST(Argmax, LowestOfEquals) {
  Context context;
  EXPECT_EQ(argmax(context, row({1, 7, 7, 3})), 1);
  EXPECT_EQ(argmax(context, row({NAN, -3})), 1);
  EXPECT_THROW(argmax(context, Tensor({0}, DType::f32)), Error);
}

}  // namespace
}  // namespace memlong::ops
