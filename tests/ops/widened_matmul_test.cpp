#include "ops/cpu/widened_matmul.h"

#include <tuple>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "ops/copy.h"
#include "ops/reference.h"

namespace memlong::ops::cpu {
namespace {

using reference::product;
using reference::random_tensor;
using reference::relative_error;
using reference::values;

/// Weights [N, K] as blocks.
struct Blocks {
  explicit Blocks(const TensorView& weight) {
    const int64_t n = weight.dim(0);
    const int64_t k = weight.dim(1);
    layout = {.width = kWidenedBlock,
              .count = (n + kWidenedBlock - 1) / kWidenedBlock,
              .pairs = (k + 31) / 32 * 16};
    layout.stride = layout.pairs * layout.width;
    words.resize(static_cast<size_t>(layout.count * layout.stride));
    for (int64_t row = 0; row < n; ++row) {
      for (int64_t depth = 0; depth < k; ++depth) {
        const int64_t word =
            row / kWidenedBlock * layout.stride + depth / 2 * kWidenedBlock + row % kWidenedBlock;
        const uint32_t bits = weight.data<bf16>()[row * k + depth].bits;
        words[static_cast<size_t>(word)] |= bits << (16 * (depth % 2));
      }
    }
  }

  Bf16Blocks layout;
  std::vector<uint32_t> words;
};

class WidenedMatmuls
    : public testing::TestWithParam<std::tuple<int64_t, std::pair<int, int>, DType>> {};

/// Few rows and more; the last shape takes several slices.
TEST_P(WidenedMatmuls, MatchDoublePrecision) {
  const auto& [tokens, shape, dtype] = GetParam();
  const auto [n, k] = shape;
  Context context;
  const Tensor x = random_tensor({tokens, k}, DType::bf16, 1);
  const Tensor weight = random_tensor({n, k}, DType::bf16, 2);
  const Tensor bias = random_tensor({n}, DType::f32, 3);
  const Tensor before = random_tensor({tokens, n}, dtype, 4);
  const Tensor wide({tokens, n + 5}, dtype);  // rows that do not follow each other
  const TensorView out = wide.view().slice(1, 0, n);
  const Blocks blocks(weight);
  for (const bool accumulate : {false, true}) {
    copy(context, before, out);
    const Tensor start =
        accumulate ? convert(context, before, dtype) : Tensor::zeros(out.shape(), dtype);
    widened_matmul(context, blocks.layout,
                   {.x = x,
                    .weights = blocks.words.data(),
                    .out = out,
                    .bias = bias,
                    .accumulate = accumulate});
    EXPECT_LT(relative_error(values(out), product(x, weight, {.bias = bias, .before = start})),
              dtype == DType::f32 ? 1e-5 : 1e-2);
  }
}

INSTANTIATE_TEST_SUITE_P(All, WidenedMatmuls,
                         testing::Combine(testing::Values<int64_t>(1, 2, 3, 8, 9, 64),
                                          testing::Values(std::pair(97, 64), std::pair(3, 37),
                                                          std::pair(600, 2000)),
                                          testing::Values(DType::f32, DType::bf16)));

TEST(WidenedMatmul, ARowIsTheSameAloneAndBesideOthers) {
  Context context;
  const Tensor x = random_tensor({kFewRows, 100}, DType::bf16, 1);
  const Blocks blocks(random_tensor({50, 100}, DType::bf16, 2));
  const Tensor together({kFewRows, 50}, DType::f32);
  widened_matmul(context, blocks.layout, {.x = x, .weights = blocks.words.data(), .out = together});
  for (int64_t t = 0; t < kFewRows; ++t) {
    const Tensor alone({1, 50}, DType::f32);
    widened_matmul(
        context, blocks.layout,
        {.x = x.view().slice(0, t, t + 1), .weights = blocks.words.data(), .out = alone});
    EXPECT_EQ(values(alone), values(together.view().slice(0, t, t + 1)));
  }
}

}  // namespace
}  // namespace memlong::ops::cpu
