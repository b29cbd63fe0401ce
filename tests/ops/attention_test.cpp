#include "ops/attention.h"

#include <limits>
#include <string>

#include <gtest/gtest.h>

#include "common/error.h"
#include "ops/attention_reference.h"

namespace memlong::ops {
namespace {

using reference::AttentionCase;
using reference::random_tensor;
using reference::relative_error;
using reference::values;

struct Dimensions {
  int64_t heads, groups, head_dim, tokens, offset;
  std::vector<int64_t> memory;  ///< M of each segment; the segments share the rows evenly
};

void PrintTo(const Dimensions& d, std::ostream* out) {
  *out << "H" << d.heads << "_G" << d.groups << "_D" << d.head_dim << "_T" << d.tokens << "_offset"
       << d.offset << "_segments" << d.memory.size();
}

class AttentionShapes : public testing::TestWithParam<std::tuple<DType, Dimensions>> {};

TEST_P(AttentionShapes, MatchesDoublePrecision) {
  const auto& [dtype, d] = GetParam();
  AttentionCase example(d.heads, d.groups, d.head_dim, d.tokens, d.offset, dtype, 1);
  example.add_memory(d.memory);
  Context context;
  attention(context, example.args());
  const reference::AttentionResult expected = reference::attention(example.args());
  EXPECT_LT(relative_error(values(example.out), expected.out), dtype == DType::f32 ? 1e-6 : 1e-2);
  EXPECT_LT(relative_error(values(example.lse), expected.lse), dtype == DType::f32 ? 1e-6 : 5e-3);
}

std::vector<Dimensions> shapes() {
  std::vector<Dimensions> all;
  for (const int64_t head_dim : {16, 20, 64, 100, 128}) {
    for (const int64_t tokens : {1, 7, 64, 200}) {
      all.push_back({4, 2, head_dim, tokens, 0, {}});
      all.push_back({4, 2, head_dim, tokens, 33, {64}});
    }
    all.push_back({3, 3, head_dim, 70, 5, {64, 0, 17, 130}});
  }
  all.push_back({8, 1, 64, 1, 300, {200}});
  all.push_back({32, 4, 64, 50, 10, {64, 64, 64, 64, 64, 64, 64}});
  all.push_back({2, 1, 256, 65, 64, {1}});
  all.push_back({4, 2, 100, 3, 1300, {700}});     // few rows, several stretches of keys
  all.push_back({32, 16, 20, 4, 600, {513, 5}});  // few rows, two memories
  all.push_back({2, 2, 2, 9, 0, {3}});
  all.push_back({40, 1, 8, 3, 0, {5}});
  all.push_back({140, 1, 4, 3, 2, {5}});
  return all;
}

INSTANTIATE_TEST_SUITE_P(All, AttentionShapes,
                         testing::Combine(testing::Values(DType::f32, DType::bf16),
                                          testing::ValuesIn(shapes())));

class AttentionDType : public testing::TestWithParam<DType> {};

/// Changes the keys and values of window position `offset + row` and of the next one.
void expect_causal(AttentionCase& example, int64_t row) {
  Context context;
  attention(context, example.args());
  const std::vector<double> before = values(example.out);
  const std::vector<double> lse = values(example.lse);
  const int64_t at = example.offset + row;
  const Shape shape = {example.k.dim(0), 2, example.k.dim(2)};
  const DType dtype = example.k.dtype();
  copy(context, random_tensor(shape, dtype, 77, 50.0F), example.k.view().slice(1, at, at + 2));
  copy(context, random_tensor(shape, dtype, 78, 50.0F), example.v.view().slice(1, at, at + 2));
  attention(context, example.args());
  const std::vector<double> after = values(example.out);
  const int64_t heads = example.q.dim(1);
  for (int64_t i = 0; i < row * heads * example.q.dim(2); ++i) {
    ASSERT_EQ(before[static_cast<size_t>(i)], after[static_cast<size_t>(i)]) << i;
  }
  for (int64_t i = 0; i < row * heads; ++i) {
    ASSERT_EQ(lse[static_cast<size_t>(i)], values(example.lse)[static_cast<size_t>(i)]) << i;
  }
  EXPECT_GT(relative_error(after, before), 1e-3);
}

TEST_P(AttentionDType, ALaterKeyChangesNoEarlierRow) {
  AttentionCase example(4, 2, 64, 90, 20, GetParam(), 2);
  example.add_memory({64, 32});
  expect_causal(example, 50);
}

TEST_P(AttentionDType, ALaterKeyChangesNoEarlierRowOfAFew) {
  AttentionCase example(4, 2, 20, 4, 510, GetParam(), 2);
  example.add_memory({64});
  expect_causal(example, 2);
}

TEST_P(AttentionDType, KeysPastTheLastRowAreNotRead) {
  AttentionCase example(2, 1, 16, 5, 3, GetParam(), 3, 40);
  Context context;
  const Tensor poison =
      random_tensor({1, 32, 16}, GetParam(), 4, std::numeric_limits<float>::quiet_NaN());
  copy(context, poison, example.k.view().slice(1, 8, 40));
  copy(context, poison, example.v.view().slice(1, 8, 40));
  attention(context, example.args());
  for (const double value : values(example.out)) ASSERT_TRUE(std::isfinite(value));
}

/// No mask: every row reads every key, those behind it too.
TEST_P(AttentionDType, RowsThatReadMemoryAlone) {
  for (const int64_t tokens : {1, 2, 5, 130, 300}) {
    AttentionCase example(4, 4, 20, tokens, 0, GetParam(), 11);
    const std::vector<MemorySegment> all = {{0, tokens, example.k, example.v}};
    AttentionArgs args = example.args();
    args.k = example.k.view().slice(1, 0, 0);
    args.v = example.v.view().slice(1, 0, 0);
    args.offset = -tokens;
    args.memory = all;
    Context context;
    attention(context, args);
    const reference::AttentionResult expected = reference::attention(args);
    const double most = GetParam() == DType::f32 ? 1e-6 : 1e-2;
    EXPECT_LT(relative_error(values(example.out), expected.out), most) << tokens;
    EXPECT_LT(relative_error(values(example.lse), expected.lse), most) << tokens;
  }
}

TEST_P(AttentionDType, ARowWithoutAnyKeyIsRefused) {
  AttentionCase example(2, 2, 16, 4, 0, GetParam(), 12);
  Context context;
  AttentionArgs args = example.args();
  args.offset = -4;
  EXPECT_THROW(attention(context, args), Error);
  const std::vector<MemorySegment> most = {{0, 3, example.k, example.v}};
  args.memory = most;
  EXPECT_THROW(attention(context, args), Error);
  const std::vector<MemorySegment> all = {{0, 4, example.k, example.v}};
  args.memory = all;
  EXPECT_NO_THROW(attention(context, args));
  args.offset = -3;
  EXPECT_THROW(attention(context, args), Error);
}

TEST_P(AttentionDType, StridesAreFree) {
  const DType dtype = GetParam();
  AttentionCase example(4, 2, 20, 30, 10, dtype, 5);
  example.add_memory({24});
  // q between other columns, k and v as [S, G, D] seen as [G, S, D], out by head.
  const Tensor wide = random_tensor({30, 3 * 80}, dtype, 6);
  const Tensor keys = random_tensor({40, 2, 20}, dtype, 7);
  const Tensor weights = random_tensor({40, 2, 20}, dtype, 8);
  const Tensor by_head({4, 30, 20}, dtype);
  AttentionArgs args = example.args();
  args.q = wide.view().slice(1, 80, 160).split_last(20);
  args.k = keys.view().permute({1, 0, 2});
  args.v = weights.view().permute({1, 0, 2});
  args.out = by_head.view().permute({1, 0, 2});
  Context context;
  attention(context, args);
  EXPECT_LT(relative_error(values(args.out), reference::attention(args).out),
            dtype == DType::f32 ? 1e-6 : 1e-2);
}

TEST_P(AttentionDType, LargeScoresDoNotOverflow) {
  AttentionCase example(2, 2, 16, 40, 0, GetParam(), 9);
  example.add_memory({40});
  AttentionArgs args = example.args();
  args.scale = 40.0F;
  Context context;
  attention(context, args);
  EXPECT_LT(relative_error(values(example.out), reference::attention(args).out),
            GetParam() == DType::f32 ? 2e-4 : 2e-2);
}

TEST_P(AttentionDType, ThreadsDoNotChangeTheResult) {
  AttentionCase example(4, 2, 64, 200, 0, GetParam(), 10);
  example.add_memory({100});
  Context one({.threads = 1});
  attention(one, example.args());
  const Tensor before = Tensor::copy_of(example.out);
  Context three({.threads = 3});
  attention(three, example.args());
  EXPECT_EQ(values(before), values(example.out));
}

TEST_P(AttentionDType, ABatchIsItsCalls) {
  const std::vector<Dimensions> shapes = {
      {4, 2, 64, 70, 0, {}}, {4, 2, 64, 3, 20, {50}}, {3, 1, 20, 200, 7, {64, 30}}};
  std::vector<AttentionCase> alone;
  std::vector<AttentionCase> together;
  for (const Dimensions& d : shapes) {
    for (std::vector<AttentionCase>* cases : {&alone, &together}) {
      cases->emplace_back(d.heads, d.groups, d.head_dim, d.tokens, d.offset, GetParam(), 14);
      cases->back().add_memory(d.memory);
    }
  }
  Context context({.threads = 3});
  std::vector<AttentionArgs> calls;
  for (const AttentionCase& example : together) calls.push_back(example.args());
  attention(context, calls);
  for (size_t i = 0; i < alone.size(); ++i) {
    attention(context, alone[i].args());
    EXPECT_EQ(values(alone[i].out), values(together[i].out)) << i;
    EXPECT_EQ(values(alone[i].lse), values(together[i].lse)) << i;
  }
}

TEST_P(AttentionDType, MemoryMassIsTheShareOfTheSoftmax) {
  AttentionCase example(6, 2, 20, 45, 12, GetParam(), 11);
  example.add_memory({150});
  Context context;
  attention(context, example.args());
  const Tensor mass = Tensor::zeros({150}, DType::f32);
  const TensorView k_mem = example.segments[0].k;
  attention_memory_mass(context, example.q, k_mem, example.lse, example.scale, mass);
  EXPECT_LT(relative_error(values(mass),
                           reference::memory_mass(example.q, k_mem, example.lse, example.scale)),
            1e-4);
  attention_memory_mass(context, example.q, k_mem, example.lse, example.scale, mass);
  const std::vector<double> twice = values(mass);
  double total = 0.0;
  for (const double m : twice) total += m;
  EXPECT_GT(total, 0.0);
  EXPECT_LT(total / 2.0, 45.0 * 6.0);
}

INSTANTIATE_TEST_SUITE_P(Both, AttentionDType, testing::Values(DType::f32, DType::bf16));

TEST(Attention, OneKeyIsItsValue) {
  AttentionCase example(2, 1, 4, 1, 0, DType::f32, 12);
  Context context;
  attention(context, example.args());
  for (int64_t i = 0; i < 8; ++i) {
    EXPECT_FLOAT_EQ(example.out.data<float>()[i], example.v.data<float>()[i % 4]);
  }
}

TEST(Attention, RefusesWhatDoesNotFit) {
  Context context;
  AttentionCase example(4, 2, 16, 8, 0, DType::f32, 13);
  AttentionArgs args = example.args();
  args.offset = 1;  // needs nine keys
  EXPECT_THROW(attention(context, args), Error);
  example.add_memory({4, 4});
  std::swap(example.segments[0], example.segments[1]);
  EXPECT_THROW(attention(context, example.args()), Error);
  EXPECT_THROW(attention(context, AttentionCase(4, 2, 15, 8, 0, DType::f32, 1).args()), Error);
  EXPECT_THROW(attention(context, AttentionCase(4, 3, 16, 8, 0, DType::f32, 1).args()), Error);
}

}  // namespace
}  // namespace memlong::ops
