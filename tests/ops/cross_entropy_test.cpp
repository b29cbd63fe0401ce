#include "ops/cross_entropy.h"

#include <cmath>
#include <limits>

#include <gtest/gtest.h>

#include "common/error.h"
#include "ops/reference.h"

namespace memlong::ops {
namespace {

using reference::random_tensor;
using reference::relative_error;
using reference::values;

struct Expected {
  std::vector<double> loss;
  std::vector<double> gradient;
  std::vector<int32_t> argmax;
};

Expected expected(const TensorView& logits, const std::vector<int32_t>& targets,
                  const std::vector<float>& weights) {
  const std::vector<double> x = values(logits);
  const auto columns = static_cast<size_t>(logits.dim(1));
  Expected result;
  for (size_t t = 0; t < targets.size(); ++t) {
    const double* row = x.data() + t * columns;
    size_t best = 0;
    double sum = 0.0;
    for (size_t v = 0; v < columns; ++v) {
      if (row[v] > row[best]) best = v;
      sum += std::exp(row[v]);
    }
    const bool counted = targets[t] >= 0;
    const auto target = static_cast<size_t>(counted ? targets[t] : 0);
    result.loss.push_back(counted ? std::log(sum) - row[target] : 0.0);
    result.argmax.push_back(static_cast<int32_t>(best));
    for (size_t v = 0; v < columns; ++v) {
      const double share = std::exp(row[v]) / sum - (v == target ? 1.0 : 0.0);
      result.gradient.push_back(counted ? weights[t] * share : 0.0);
    }
  }
  return result;
}

std::vector<double> wide(const std::vector<float>& x) { return {x.begin(), x.end()}; }

class CrossEntropySizes : public testing::TestWithParam<int64_t> {};

TEST_P(CrossEntropySizes, MatchesDoublePrecision) {
  const int64_t columns = GetParam();
  const Tensor logits = random_tensor({5, columns}, DType::f32, 1, 4.0F);
  const std::vector<int32_t> targets = {0, static_cast<int32_t>(columns - 1), -1,
                                        static_cast<int32_t>(columns / 2), 0};
  const std::vector<float> weights = {1.0F, 0.25F, 3.0F, -2.0F, 0.0F};
  const Expected reference = expected(logits, targets, weights);
  for (const DType dtype : {DType::f32, DType::bf16}) {
    for (const int threads : {1, 2}) {
      Context context({.threads = threads});
      std::vector<float> loss(5, -1.0F);
      std::vector<int32_t> argmax(5, -1);
      const Tensor gradient = random_tensor({5, columns}, dtype, 2);
      cross_entropy(context, {logits, targets, weights, loss, argmax, gradient});
      EXPECT_LT(relative_error(wide(loss), reference.loss), 1e-6);
      EXPECT_EQ(argmax, reference.argmax);
      EXPECT_LT(relative_error(values(gradient), reference.gradient),
                dtype == DType::f32 ? 1e-5 : 3e-2);
      EXPECT_EQ(values(gradient.view().slice(0, 2, 3)),
                std::vector<double>(static_cast<size_t>(columns), 0.0));
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Vocabularies, CrossEntropySizes,
                         testing::Values(1, 2, 64, 97, 4096, 50257));

TEST(CrossEntropy, GradientIsThatOfTheLoss) {
  Context context;
  const std::vector<int32_t> targets = {3, 0};
  const std::vector<float> weights = {1.0F, 2.0F};
  const Tensor logits = random_tensor({2, 9}, DType::f32, 3);
  std::vector<float> loss(2);
  const Tensor gradient({2, 9}, DType::f32);
  cross_entropy(context, {logits, targets, weights, loss, {}, gradient});
  for (int64_t i = 0; i < 18; ++i) {
    const auto total = [&](float step) {
      const Tensor moved = Tensor::copy_of(logits);
      moved.data<float>()[i] += step;
      cross_entropy(context, {moved, targets, weights, loss});
      return 1.0 * loss[0] + 2.0 * loss[1];
    };
    const double slope = (total(0.01F) - total(-0.01F)) / 0.02;
    EXPECT_NEAR(gradient.data<float>()[i], slope, 2e-4) << i;
  }
}

TEST(CrossEntropy, InPlaceAndStrided) {
  Context context;
  const Tensor whole = random_tensor({4, 120}, DType::f32, 4);
  const TensorView logits = whole.view().slice(1, 10, 110);
  const std::vector<int32_t> targets = {1, 99, 50, -1};
  const std::vector<float> weights = {1.0F, 1.0F, 0.5F, 1.0F};
  const Expected reference = expected(logits, targets, weights);
  const float before = whole.data<float>()[110];
  std::vector<float> loss(4);
  cross_entropy(context, {logits, targets, weights, loss, {}, logits});
  EXPECT_LT(relative_error(wide(loss), reference.loss), 1e-6);
  EXPECT_LT(relative_error(values(logits), reference.gradient), 1e-5);
  EXPECT_EQ(whole.data<float>()[110], before);
}

TEST(CrossEntropy, ExtremeLogits) {
  Context context;
  const Tensor logits({2, 40}, DType::f32);
  for (int i = 0; i < 40; ++i) {
    logits.data<float>()[i] = i == 7 ? 1e6F : -1e6F;
    logits.data<float>()[40 + i] =
        i < 20 ? -std::numeric_limits<float>::infinity() : 1e4F;  // twenty equals
  }
  const std::vector<int32_t> targets = {3, 20};
  const std::vector<float> weights = {1.0F, 1.0F};
  std::vector<float> loss(2);
  std::vector<int32_t> argmax(2);
  const Tensor gradient({2, 40}, DType::f32);
  cross_entropy(context, {logits, targets, weights, loss, argmax, gradient});
  EXPECT_FLOAT_EQ(loss[0], 2e6F);
  EXPECT_FLOAT_EQ(loss[1], std::log(20.0F));
  EXPECT_EQ(argmax, (std::vector<int32_t>{7, 20}));
  EXPECT_EQ(gradient.data<float>()[3], -1.0F);
  EXPECT_EQ(gradient.data<float>()[7], 1.0F);
  EXPECT_EQ(gradient.data<float>()[40], 0.0F);
  EXPECT_FLOAT_EQ(gradient.data<float>()[60], 0.05F - 1.0F);
  EXPECT_FLOAT_EQ(gradient.data<float>()[61], 0.05F);
}

TEST(CrossEntropy, NaNIsNotHidden) {
  Context context;
  const Tensor logits = random_tensor({1, 30}, DType::f32, 5);
  logits.data<float>()[17] = std::numeric_limits<float>::quiet_NaN();
  const std::vector<int32_t> targets = {2};
  const std::vector<float> weights = {1.0F};
  std::vector<float> loss(1);
  cross_entropy(context, {logits, targets, weights, loss});
  EXPECT_TRUE(std::isnan(loss[0]));
}

TEST(CrossEntropy, RefusesWhatDoesNotFit) {
  Context context;
  const Tensor logits = random_tensor({1, 8}, DType::f32, 6);
  const std::vector<float> weights = {1.0F};
  std::vector<float> loss(1);
  const std::vector<int32_t> good = {7};
  for (const int32_t target : {-2, 8}) {
    EXPECT_THROW(cross_entropy(context, {logits, std::vector<int32_t>{target}, weights, loss}),
                 Error);
  }
  EXPECT_THROW(cross_entropy(context, {logits, good, {}, loss}), Error);
  EXPECT_THROW(
      cross_entropy(context, {logits, good, weights, loss, {}, Tensor({1, 7}, DType::f32)}), Error);
  EXPECT_NO_THROW(cross_entropy(context, {Tensor({0, 8}, DType::f32), {}, {}, {}}));
}

}  // namespace
}  // namespace memlong::ops
