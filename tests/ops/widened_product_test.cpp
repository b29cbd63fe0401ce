#include "ops/cpu/widened_product.h"

#include <tuple>

#include <gtest/gtest.h>

#include "ops/copy.h"
#include "ops/reference.h"

namespace memlong::ops::cpu {
namespace {

using reference::product;
using reference::random_tensor;
using reference::relative_error;
using reference::values;

class WidenedProducts
    : public testing::TestWithParam<std::tuple<int64_t, std::pair<int, int>, bool, DType>> {};

/// The last shape takes several slices.
TEST_P(WidenedProducts, MatchDoublePrecision) {
  const auto& [tokens, shape, rows, dtype] = GetParam();
  const auto [n, k] = shape;
  Context context;
  const Tensor x = random_tensor({tokens, k}, DType::bf16, 1);
  const Tensor weight = random_tensor(rows ? Shape{k, n} : Shape{n, k}, DType::bf16, 2);
  const Tensor bias = random_tensor({n}, DType::f32, 3);
  const Tensor before = random_tensor({tokens, n}, dtype, 4);
  const Tensor wide({tokens, n + 5}, dtype);  // rows that do not follow each other
  const TensorView out = wide.view().slice(1, 0, n);
  copy(context, before, out);
  widened_product(
      context,
      {.x = x, .weight = weight, .rows = rows, .out = out, .bias = bias, .accumulate = true});
  EXPECT_LT(relative_error(values(out),
                           product(x, weight, {.rows = rows, .bias = bias, .before = before})),
            dtype == DType::f32 ? 1e-5 : 1e-2);
}

INSTANTIATE_TEST_SUITE_P(
    All, WidenedProducts,
    testing::Combine(testing::Values<int64_t>(1, 5, 64),
                     testing::Values(std::pair(97, 64), std::pair(3, 37), std::pair(600, 2000)),
                     testing::Bool(), testing::Values(DType::f32, DType::bf16)));

}  // namespace
}  // namespace memlong::ops::cpu
