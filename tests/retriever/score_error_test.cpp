#include "retriever/score_error.h"

#include <cmath>
#include <limits>

#include <gtest/gtest.h>

#include "retriever/random_vectors.h"
#include "tensor/dtype.h"

namespace memlong::retriever {
namespace {

struct Sums {
  double real = 0;
  float one_by_one = 0;
  float of_halves = 0;  // both vectors as f16
};

Sums sums_of(std::span<const float> a, std::span<const float> b) {
  Sums sums;
  for (size_t i = 0; i < a.size(); ++i) {
    sums.real += static_cast<double>(a[i]) * static_cast<double>(b[i]);
    sums.one_by_one += a[i] * b[i];
    sums.of_halves += static_cast<float>(f16(a[i])) * static_cast<float>(f16(b[i]));
  }
  return sums;
}

TEST(ScoreError, HoldsForRandomVectorsOfAllLengths) {
  double largest_share = 0;
  for (const int64_t dim : {1, 7, 64, 1000, 20000}) {
    for (const float scale : {1e-4F, 1.0F, 100.0F}) {
      for (uint32_t seed = 0; seed < 20; ++seed) {
        std::vector<float> a = random_directions(1, dim, 2 * seed);
        const std::vector<float> b = random_directions(1, dim, 2 * seed + 1);
        for (float& value : a) value = std::abs(value) * scale;
        const Sums sums = sums_of(a, b);
        const double scaled = static_cast<double>(scale) * 1.0001;
        const double f32 = score_error_f32(dim, scaled, 1.0001);
        const double half = score_error_f16(dim, scaled, 1.0001);
        EXPECT_LE(std::abs(static_cast<double>(sums.one_by_one) - sums.real), f32) << dim;
        EXPECT_LE(std::abs(static_cast<double>(sums.of_halves) - sums.real), half) << dim;
        EXPECT_GT(half, f32);
        largest_share = std::max(largest_share,
                                 std::abs(static_cast<double>(sums.of_halves) - sums.real) / half);
      }
    }
  }
  EXPECT_GT(largest_share, 0.01);  // it is a bound, but not one of another world
}

TEST(ScoreError, PromisesNothingWhereASumMayOverflow) {
  constexpr double kNone = std::numeric_limits<double>::infinity();
  EXPECT_EQ(score_error_f32(8, 1e20, 1e20), kNone);
  EXPECT_EQ(score_error_f32(8, std::nan(""), 1), kNone);
  EXPECT_EQ(score_error_f32(8, kNone, 0), kNone);
  EXPECT_EQ(score_error_f16(8, 1, 70000), kNone);
  EXPECT_EQ(score_error_f16(8, std::nan(""), 1), kNone);
  EXPECT_LT(score_error_f16(8, 1, 60000), kNone);
  EXPECT_LT(score_error_f32(256, 1, 1), 1e-4);
}

}  // namespace
}  // namespace memlong::retriever
