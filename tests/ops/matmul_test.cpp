#include "ops/matmul.h"

#include <tuple>

#include <gtest/gtest.h>

#include "common/error.h"
#include "ops/reference.h"

namespace memlong::ops {
namespace {

using reference::product;
using reference::random_tensor;
using reference::relative_error;
using reference::values;

class MatmulShapes : public testing::TestWithParam<
                         std::tuple<std::pair<DType, DType>, int64_t, std::pair<int, int>>> {};

TEST_P(MatmulShapes, MatchesDoublePrecision) {
  const auto [types, rows, shape] = GetParam();
  const auto [dtype, out_dtype] = types;
  const auto [n, k] = shape;
  Context context;
  const Tensor w = random_tensor({n, k}, dtype, 1);
  const Tensor x = random_tensor({rows, k}, dtype, 2);
  const TensorView parts[] = {w};
  const PackedWeight packed = pack_weight(context, parts, dtype);
  EXPECT_EQ(packed.out_features(), n);
  EXPECT_EQ(packed.in_features(), k);
  EXPECT_GE(packed.bytes(), w.bytes());
  const Tensor out({rows, n}, out_dtype);
  matmul(context, x, packed, out);
  EXPECT_LT(relative_error(values(out), product(x, w)), out_dtype == DType::f32 ? 1e-5 : 1e-2);
}

INSTANTIATE_TEST_SUITE_P(All, MatmulShapes,
                         testing::Combine(testing::Values(std::pair(DType::f32, DType::f32),
                                                          std::pair(DType::bf16, DType::f32),
                                                          std::pair(DType::bf16, DType::bf16)),
                                          testing::Values<int64_t>(1, 2, 7, 64, 200),
                                          testing::Values(std::pair(97, 64), std::pair(176, 100),
                                                          std::pair(3, 2), std::pair(256, 704))));

class MatmulDType : public testing::TestWithParam<DType> {};

TEST_P(MatmulDType, AddsBiasAndWhatTheOutputHeld) {
  const DType dtype = GetParam();
  Context context;
  const Tensor w = random_tensor({40, 32}, dtype, 3);
  const Tensor bias = random_tensor({40}, DType::f32, 5);
  const TensorView parts[] = {w};
  const PackedWeight packed = pack_weight(context, parts, dtype);
  for (const int64_t rows : {1, 5}) {
    const Tensor x = random_tensor({rows, 32}, dtype, 4);
    const Tensor out = random_tensor({rows, 40}, DType::f32, 6);
    const std::vector<double> expected = product(x, w, {.bias = bias, .before = out});
    matmul(context, x, packed, out, {.bias = bias, .accumulate = true});
    EXPECT_LT(relative_error(values(out), expected), 1e-6);
  }
}

TEST_P(MatmulDType, OneRowGivesTheSameBitsOnAnyNumberOfThreads) {
  const DType dtype = GetParam();
  const Tensor w = random_tensor({1100, 520}, dtype, 3);
  const TensorView parts[] = {w};
  Context packer({.threads = 2});
  const PackedWeight packed = pack_weight(packer, parts, dtype);
  const Tensor x = random_tensor({1, 520}, dtype, 4);
  std::vector<std::vector<double>> results;
  for (const int threads : {1, 2, 3}) {
    Context context({.threads = threads});
    const Tensor out({1, 1100}, DType::f32);
    matmul(context, x, packed, out);
    results.push_back(values(out));
    EXPECT_LT(relative_error(results.back(), product(x, w)), 1e-5);
  }
#if defined(__AVX512BF16__)
  if (dtype == DType::bf16) {  // all else goes by oneDNN, which promises no bits
    EXPECT_EQ(results[1], results[0]);
    EXPECT_EQ(results[2], results[0]);
  }
#endif
}

TEST_P(MatmulDType, AddsToAnOutputOfItsOwnType) {
  const DType dtype = GetParam();
  Context context;
  const Tensor w = random_tensor({40, 32}, dtype, 3);
  const TensorView parts[] = {w};
  const PackedWeight packed = pack_weight(context, parts, dtype);
  for (const int64_t rows : {1, 50}) {
    const Tensor x = random_tensor({rows, 32}, dtype, 4);
    const Tensor out = random_tensor({rows, 40}, dtype, 6);
    const std::vector<double> expected = product(x, w, {.before = out});
    matmul(context, x, packed, out, {.accumulate = true});
    EXPECT_LT(relative_error(values(out), expected), dtype == DType::f32 ? 1e-6 : 3e-3);
  }
}

TEST_P(MatmulDType, StacksPartsOfAnyDtypeAndAlignment) {
  const DType dtype = GetParam();
  Context context;
  const Tensor a = random_tensor({24, 16}, DType::f16, 7);
  const Tensor b = random_tensor({8, 16}, DType::f32, 8);
  std::vector<std::byte> bytes(b.bytes() + 3);
  std::copy_n(static_cast<const std::byte*>(b.view().raw()), b.bytes(), bytes.data() + 3);
  const TensorView odd(bytes.data() + 3, DType::f32, {8, 16});
  const TensorView parts[] = {a, odd};
  const PackedWeight packed = pack_weight(context, parts, dtype);
  ASSERT_EQ(packed.out_features(), 32);
  const Tensor x = random_tensor({3, 16}, dtype, 9);
  const Tensor out({3, 32}, DType::f32);
  matmul(context, x, packed, out);
  const std::vector<double> left = product(x, a);
  const std::vector<double> right = product(x, b);
  const double bound = dtype == DType::f32 ? 1e-5 : 3e-2;
  for (int64_t t = 0; t < 3; ++t) {
    for (int64_t n = 0; n < 32; ++n) {
      const double expected = n < 24 ? left[static_cast<size_t>(t * 24 + n)]
                                     : right[static_cast<size_t>(t * 8 + n - 24)];
      EXPECT_NEAR(out.data<float>()[t * 32 + n], expected, bound * 4.0);
    }
  }
}

/// Parts of these rows, stacked and turned: x times the stack, not times its transpose.
void expect_transposed(DType from, DType dtype, const std::vector<int64_t>& rows, int64_t columns) {
  Context context;
  int64_t sum = 0;
  for (const int64_t part : rows) sum += part;
  const Tensor whole = random_tensor({sum, columns + 5}, from, 21);
  const TensorView w = whole.view().slice(1, 5, 5 + columns);
  std::vector<TensorView> parts;
  int64_t row = 0;
  for (const int64_t part : rows) {
    parts.push_back(w.slice(0, row, row + part));
    row += part;
  }
  const PackedWeight packed = pack_weight_transposed(context, parts, dtype);
  EXPECT_EQ(packed.out_features(), columns);
  EXPECT_EQ(packed.in_features(), sum);
  const std::vector<double> weights = values(convert(context, w, dtype));
  const Tensor turned({columns, sum}, DType::f32);
  for (int64_t n = 0; n < sum; ++n) {
    for (int64_t k = 0; k < columns; ++k) {
      turned.data<float>()[k * sum + n] =
          static_cast<float>(weights[static_cast<size_t>(n * columns + k)]);
    }
  }
  const Tensor x = random_tensor({9, sum}, dtype, 22);
  const Tensor out({9, columns}, DType::f32);
  matmul(context, x, packed, out);
  EXPECT_LT(relative_error(values(out), product(x, turned)), 1e-5) << sum << " x " << columns;
}

TEST_P(MatmulDType, PacksTheTranspose) {
  for (const DType from : {DType::f32, DType::bf16, DType::f16}) {
    expect_transposed(from, GetParam(), {256}, 176);
    expect_transposed(from, GetParam(), {64, 32, 32}, 100);
    expect_transposed(from, GetParam(), {64, 33}, 64);
    expect_transposed(from, GetParam(), {7, 20, 3}, 2);
    expect_transposed(from, GetParam(), {1}, 1);
  }
}

TEST_P(MatmulDType, BothAreWhatEachIs) {
  Context context;
  const Tensor w = random_tensor({33, 40}, DType::f32, 25);
  const TensorView parts[] = {w.view().slice(0, 0, 24), w.view().slice(0, 24, 33)};
  const PackedPair both = pack_weight_both(context, parts, GetParam());
  const auto product_of = [&](const PackedWeight& weight) {
    const Tensor x = random_tensor({6, weight.in_features()}, GetParam(), 26);
    const Tensor out({6, weight.out_features()}, DType::f32);
    matmul(context, x, weight, out);
    return values(out);
  };
  EXPECT_EQ(product_of(both.weight), product_of(pack_weight(context, parts, GetParam())));
  EXPECT_EQ(product_of(both.transposed),
            product_of(pack_weight_transposed(context, parts, GetParam())));
}

/// Parts may end within a block.
TEST_P(MatmulDType, EveryWayOfStackingGivesTheSame) {
  const DType dtype = GetParam();
  Context context;
  const Tensor whole = random_tensor({200, 48}, DType::f32, 23);
  const Tensor x = random_tensor({6, 48}, dtype, 24);
  const auto with_parts = [&](const std::vector<int64_t>& ends) {
    std::vector<TensorView> parts;
    int64_t row = 0;
    for (const int64_t end : ends) {
      parts.push_back(whole.view().slice(0, row, end));
      row = end;
    }
    const Tensor out({6, 200}, DType::f32);
    matmul(context, x, pack_weight(context, parts, dtype), out);
    return values(out);
  };
  const std::vector<double> one = with_parts({200});
  EXPECT_LT(relative_error(one, product(x, convert(context, whole, dtype))), 1e-5);
  EXPECT_EQ(with_parts({64, 128, 200}), one);
  EXPECT_EQ(with_parts({10, 101, 200}), one);
}

TEST_P(MatmulDType, RowStridesAreFree) {
  const DType dtype = GetParam();
  Context context;
  const Tensor w = random_tensor({20, 16}, dtype, 10);
  const Tensor wide_x = random_tensor({6, 48}, dtype, 11);
  const Tensor wide_out = Tensor::zeros({6, 60}, DType::f32);
  const TensorView x = wide_x.view().slice(1, 16, 32);
  const TensorView parts[] = {w};
  const PackedWeight packed = pack_weight(context, parts, dtype);
  for (const int64_t rows : {int64_t{6}, int64_t{1}}) {
    const TensorView out = wide_out.view().slice(1, 20, 40).slice(0, 0, rows);
    matmul(context, x.slice(0, 0, rows), packed, out);
    EXPECT_LT(relative_error(values(out), product(Tensor::copy_of(x.slice(0, 0, rows)), w)), 1e-5);
  }
  for (int64_t t = 0; t < 6; ++t) {
    EXPECT_EQ(wide_out.data<float>()[t * 60 + 19], 0.0F);
    EXPECT_EQ(wide_out.data<float>()[t * 60 + 40], 0.0F);
  }
}

TEST_P(MatmulDType, ARowDoesNotDependOnTheOthers) {
  const DType dtype = GetParam();
  Context context;
  const Tensor w = random_tensor({64, 64}, dtype, 12);
  const TensorView parts[] = {w};
  const PackedWeight packed = pack_weight(context, parts, dtype);
  const Tensor x = random_tensor({33, 64}, dtype, 13);
  const Tensor first({33, 64}, DType::f32);
  matmul(context, x, packed, first);
  const Tensor other = random_tensor({1, 64}, dtype, 14);
  copy(context, other, x.view().slice(0, 20, 21));
  const Tensor second({33, 64}, DType::f32);
  matmul(context, x, packed, second);
  for (int64_t i = 0; i < 33 * 64; ++i) {
    if (i / 64 == 20) continue;
    ASSERT_EQ(first.data<float>()[i], second.data<float>()[i]) << "row " << i / 64;
  }
}

TEST_P(MatmulDType, ManyRowCountsAndContextsShareOneWeight) {
  const DType dtype = GetParam();
  Context packer({.threads = 2});
  const Tensor w = random_tensor({16, 8}, dtype, 15);
  const TensorView parts[] = {w};
  const PackedWeight packed = pack_weight(packer, parts, dtype);
  Context other({.threads = 1});
  const Tensor x = random_tensor({700, 8}, dtype, 16);
  const std::vector<double> expected = product(x, w);
  for (int64_t rows = 1; rows <= 700; rows += rows < 560 ? 1 : 140) {  // more than are kept
    const Tensor out({rows, 16}, DType::f32);
    matmul(other, x.view().slice(0, 0, rows), packed, out);
    const int64_t last = rows * 16 - 1;
    ASSERT_NEAR(out.data<float>()[last], expected[static_cast<size_t>(last)], 1e-4) << rows;
  }
}

INSTANTIATE_TEST_SUITE_P(Both, MatmulDType, testing::Values(DType::f32, DType::bf16));

TEST(Matmul, NoRowsIsNoWork) {
  Context context;
  const Tensor w = random_tensor({4, 4}, DType::f32, 1);
  const TensorView parts[] = {w};
  const PackedWeight packed = pack_weight(context, parts, DType::f32);
  EXPECT_NO_THROW(matmul(context, Tensor({0, 4}, DType::f32), packed, Tensor({0, 4}, DType::f32)));
}

TEST(Matmul, RefusesWhatDoesNotFit) {
  Context context;
  const Tensor w = random_tensor({4, 6}, DType::bf16, 1);
  const TensorView parts[] = {w};
  const PackedWeight packed = pack_weight(context, parts, DType::bf16);
  const Tensor x({2, 6}, DType::bf16);
  EXPECT_THROW(matmul(context, Tensor({2, 5}, DType::bf16), packed, Tensor({2, 4}, DType::f32)),
               Error);
  EXPECT_THROW(matmul(context, Tensor({2, 6}, DType::f32), packed, Tensor({2, 4}, DType::f32)),
               Error);
  EXPECT_THROW(matmul(context, x, packed, Tensor({2, 4}, DType::f16)), Error);
  EXPECT_THROW(matmul(context, x, PackedWeight(), Tensor({2, 4}, DType::f32)), Error);
}

}  // namespace
}  // namespace memlong::ops
