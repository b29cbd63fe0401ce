#include "ops/gemm.h"

#include <tuple>

#include <gtest/gtest.h>

#include "common/error.h"
#include "ops/reference.h"

namespace memlong::ops {
namespace {

using reference::random_tensor;
using reference::relative_error;
using reference::values;

/// What `out` holds after the product of a (turned) and b (turned).
std::vector<double> product(const TensorView& a, const TensorView& b, const TensorView& out,
                            const GemmOptions& options) {
  const std::vector<double> left = values(a);
  const std::vector<double> right = values(b);
  const int64_t m = out.dim(0);
  const int64_t n = out.dim(1);
  const int64_t depth = a.dim(options.transpose_a ? 0 : 1);
  std::vector<double> sums =
      options.accumulate ? values(out) : std::vector<double>(static_cast<size_t>(m * n));
  for (int64_t i = 0; i < m; ++i) {
    for (int64_t k = 0; k < depth; ++k) {
      const double x = left[static_cast<size_t>(options.transpose_a ? k * m + i : i * depth + k)];
      for (int64_t j = 0; j < n; ++j) {
        const int64_t at = options.transpose_b ? j * depth + k : k * n + j;
        sums[static_cast<size_t>(i * n + j)] += x * right[static_cast<size_t>(at)];
      }
    }
  }
  return sums;
}

struct Extents {
  int64_t m, n, depth;
};

class GemmShapes
    : public testing::TestWithParam<std::tuple<std::pair<DType, DType>, int, Extents>> {};

TEST_P(GemmShapes, MatchesDoublePrecision) {
  const auto [types, turned, e] = GetParam();
  const auto [dtype, out_dtype] = types;
  Context context;
  GemmOptions options{.transpose_a = (turned & 1) != 0, .transpose_b = (turned & 2) != 0};
  const Tensor a = options.transpose_a ? random_tensor({e.depth, e.m}, dtype, 1)
                                       : random_tensor({e.m, e.depth}, dtype, 1);
  const Tensor b = options.transpose_b ? random_tensor({e.n, e.depth}, dtype, 2)
                                       : random_tensor({e.depth, e.n}, dtype, 2);
  const Tensor out = random_tensor({e.m, e.n}, out_dtype, 3);
  const double bound = out_dtype == DType::f32 ? 1e-5 : 1e-2;
  std::vector<double> expected = product(a, b, out, options);
  gemm(context, a, b, out, options);
  EXPECT_LT(relative_error(values(out), expected), bound);
  if (out_dtype != DType::f32) return;
  options.accumulate = true;
  expected = product(a, b, out, options);
  gemm(context, a, b, out, options);
  EXPECT_LT(relative_error(values(out), expected), bound);
}

INSTANTIATE_TEST_SUITE_P(All, GemmShapes,
                         testing::Combine(testing::Values(std::pair(DType::f32, DType::f32),
                                                          std::pair(DType::bf16, DType::f32),
                                                          std::pair(DType::bf16, DType::bf16)),
                                          testing::Values(0, 1, 2, 3),
                                          testing::Values(Extents{1, 1, 1}, Extents{3, 2, 1},
                                                          Extents{1, 40, 7}, Extents{33, 1, 65},
                                                          Extents{16, 96, 300}, Extents{97, 16, 33},
                                                          Extents{70, 66, 290})));

class GemmDType : public testing::TestWithParam<DType> {};

TEST_P(GemmDType, RowStridesAreFreeAndNothingElseIsWritten) {
  Context context;
  const Tensor wide_a = random_tensor({50, 90}, GetParam(), 4);
  const Tensor wide_b = random_tensor({50, 64}, GetParam(), 5);
  const Tensor wide_out = random_tensor({37, 60}, DType::f32, 6);
  const TensorView a = wide_a.view().slice(1, 30, 67);
  const TensorView b = wide_b.view().slice(1, 16, 48);
  const TensorView out = wide_out.view().slice(1, 20, 52);
  const GemmOptions options{.transpose_a = true, .accumulate = true};
  const std::vector<double> expected = product(a, b, out, options);
  const std::vector<double> before = values(wide_out);
  gemm(context, a, b, out, options);
  EXPECT_LT(relative_error(values(out), expected), 1e-6);
  const std::vector<double> after = values(wide_out);
  for (size_t i = 0; i < before.size(); ++i) {
    if (i % 60 < 20 || i % 60 >= 52) {
      ASSERT_EQ(before[i], after[i]) << i;
    }
  }
}

TEST_P(GemmDType, ThreadsDoNotChangeABit) {
  MEMLONG_SKIP_BEFORE_AVX512();
  for (const Extents e : {Extents{16, 64, 4096}, Extents{128, 16, 2048}, Extents{1, 128, 2000},
                          Extents{97, 8, 1500}, Extents{128, 192, 512}}) {
    const Tensor a = random_tensor({e.depth, e.m}, GetParam(), 7);
    const Tensor b = random_tensor({e.depth, e.n}, GetParam(), 8);
    std::vector<double> first;
    for (const int threads : {1, 2, 3}) {
      Context context({.threads = threads});
      const Tensor out = random_tensor({e.m, e.n}, DType::f32, 9);
      gemm(context, a, b, out, {.transpose_a = true, .accumulate = true});
      if (first.empty()) first = values(out);
      ASSERT_EQ(values(out), first) << threads << " threads, " << e.m << " x " << e.n;
    }
  }
}

TEST_P(GemmDType, NoDepthIsZeroOrWhatWasThere) {
  Context context;
  const Tensor a({0, 3}, GetParam());
  const Tensor b({0, 5}, GetParam());
  const Tensor out = random_tensor({3, 5}, DType::f32, 10);
  const std::vector<double> before = values(out);
  gemm(context, a, b, out, {.transpose_a = true, .accumulate = true});
  EXPECT_EQ(values(out), before);
  gemm(context, a, b, out, {.transpose_a = true});
  EXPECT_EQ(values(out), std::vector<double>(15, 0.0));
  EXPECT_NO_THROW(gemm(context, b, a, Tensor({5, 3}, GetParam()), {.transpose_a = true}));
  EXPECT_NO_THROW(gemm(context, Tensor({0, 4}, GetParam()), Tensor({4, 5}, GetParam()),
                       Tensor({0, 5}, DType::f32)));
}

INSTANTIATE_TEST_SUITE_P(Both, GemmDType, testing::Values(DType::f32, DType::bf16));

TEST(Gemm, RefusesWhatDoesNotFit) {
  Context context;
  const Tensor a({4, 6}, DType::bf16);
  const Tensor b({6, 5}, DType::bf16);
  EXPECT_THROW(gemm(context, a, b, Tensor({4, 4}, DType::f32)), Error);
  EXPECT_THROW(gemm(context, a, b, Tensor({4, 5}, DType::f32), {.transpose_a = true}), Error);
  EXPECT_THROW(gemm(context, a, Tensor({6, 5}, DType::f32), Tensor({4, 5}, DType::f32)), Error);
  EXPECT_THROW(gemm(context, a, b, Tensor({4, 5}, DType::bf16), {.accumulate = true}), Error);
}

}  // namespace
}  // namespace memlong::ops
