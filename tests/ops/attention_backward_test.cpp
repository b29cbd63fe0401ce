#include <algorithm>
#include <cmath>
#include <limits>
#include <string>

#include <gtest/gtest.h>

#include "common/error.h"
#include "ops/attention.h"
#include "ops/attention_backward_reference.h"

namespace memlong::ops {
namespace {

using reference::AttentionCase;
using reference::AttentionGradients;
using reference::BackwardCase;
using reference::random_tensor;
using reference::relative_error;
using reference::values;

struct Dimensions {
  int64_t heads, groups, head_dim, tokens, offset;
  std::vector<int64_t> memory;  ///< M of each segment; the segments share the rows evenly
  int64_t keys = 0;             ///< S, where it is more than offset + tokens
};

void PrintTo(const Dimensions& d, std::ostream* out) {
  *out << "H" << d.heads << "_G" << d.groups << "_D" << d.head_dim << "_T" << d.tokens << "_offset"
       << d.offset << "_segments" << d.memory.size() << "_S" << d.keys;
}

BackwardCase make_case(const Dimensions& d, DType dtype, bool with_memory, uint32_t seed) {
  AttentionCase forward(d.heads, d.groups, d.head_dim, d.tokens, d.offset, dtype, seed, d.keys);
  forward.add_memory(d.memory);
  return {std::move(forward), with_memory, seed + 10};
}

void run(Context& context, const AttentionBackwardArgs& args) {
  attention(context, args.forward);
  attention_backward(context, {&args, 1});
}

double tolerance(DType dtype) { return dtype == DType::f32 ? 1e-5 : 3e-2; }

/// All of a call's gradients but those of memory.
void expect_gradients(const AttentionBackwardArgs& args, const AttentionGradients& expected,
                      double limit) {
  EXPECT_LT(relative_error(values(args.dq), expected.dq), limit);
  EXPECT_LT(relative_error(values(args.dk), expected.dk), limit);
  EXPECT_LT(relative_error(values(args.dv), expected.dv), limit);
}

void expect_memory(const AttentionBackwardArgs& args, const AttentionGradients& expected,
                   double limit) {
  for (size_t i = 0; i < args.memory.size(); ++i) {
    if (args.memory[i].dk.empty()) continue;
    EXPECT_LT(relative_error(values(args.memory[i].dk), expected.memory[i].dk), limit) << i;
    EXPECT_LT(relative_error(values(args.memory[i].dv), expected.memory[i].dv), limit) << i;
  }
}

class AttentionBackwardShapes : public testing::TestWithParam<std::tuple<DType, Dimensions>> {};

TEST_P(AttentionBackwardShapes, MatchDoublePrecision) {
  const auto& [dtype, d] = GetParam();
  const BackwardCase example = make_case(d, dtype, true, 1);
  const AttentionGradients expected =
      reference::attention_gradients(example.forward.args(), example.dout);
  for (const int threads : {1, 16}) {  // whole heads, and heads shared out
    const BackwardCase again = make_case(d, dtype, true, 1);
    Context context({.threads = threads});
    run(context, again.args());
    expect_gradients(again.args(), expected, tolerance(dtype));
    expect_memory(again.args(), expected, tolerance(dtype));
  }
}

std::vector<Dimensions> shapes() {
  std::vector<Dimensions> all;
  for (const int64_t head_dim : {20, 64, 100, 256}) {
    all.push_back({2, 2, head_dim, 70, 0, {}});
    all.push_back({4, 2, head_dim, 1, 0, {}});
    all.push_back({4, 2, head_dim, 1, 33, {5}});
    all.push_back({4, 2, head_dim, 64, 0, {128}});
    all.push_back({4, 1, head_dim, 97, 35, {70, 0, 17, 130}});
  }
  all.push_back({2, 1, 64, 300, 0, {}});
  all.push_back({2, 1, 64, 200, 130, {300, 33}});
  all.push_back({3, 3, 2, 9, 0, {3}});
  all.push_back({140, 1, 4, 3, 2, {5}});  // more heads in a group than rows in a block
  all.push_back({2, 1, 20, 5, 3, {7}, 140});
  return all;
}

INSTANTIATE_TEST_SUITE_P(All, AttentionBackwardShapes,
                         testing::Combine(testing::Values(DType::f32, DType::bf16),
                                          testing::ValuesIn(shapes())));

class AttentionBackwardDType : public testing::TestWithParam<DType> {};

/// The reference itself, and with it the formula: against differences of the forward in double.
TEST(AttentionBackward, ReferenceMatchesCentralDifferences) {
  const BackwardCase example = make_case({4, 2, 6, 7, 3, {5, 4}}, DType::f32, true, 3);
  const AttentionArgs args = example.forward.args();
  const AttentionGradients gradients = reference::attention_gradients(args, example.dout);
  const std::vector<double> dout = values(example.dout);
  const auto loss = [&] {
    const std::vector<double> out = reference::attention(args).out;
    double sum = 0.0;
    for (size_t i = 0; i < out.size(); ++i) sum += out[i] * dout[i];
    return sum;
  };
  const auto check = [&](const TensorView& x, const std::vector<double>& expected) {
    std::vector<double> differences;
    for (int64_t i = 0; i < x.elements(); ++i) {
      float& at = x.data<float>()[i];
      const float before = at;
      at = before + 0x1p-8F;
      const double high = static_cast<double>(at);
      const double up = loss();
      at = before - 0x1p-8F;
      differences.push_back((up - loss()) / (high - static_cast<double>(at)));
      at = before;
    }
    EXPECT_LT(relative_error(differences, expected), 1e-4);
  };
  check(args.q, gradients.dq);
  check(args.k, gradients.dk);
  check(args.v, gradients.dv);
  for (size_t i = 0; i < args.memory.size(); ++i) {
    check(args.memory[i].k, gradients.memory[i].dk);
    check(args.memory[i].v, gradients.memory[i].dv);
  }
}

TEST_P(AttentionBackwardDType, ConstantMemoryLeavesTheOthersAsTheyAre) {
  const Dimensions d{4, 2, 64, 90, 10, {150, 40}};
  const BackwardCase with = make_case(d, GetParam(), true, 5);
  const BackwardCase without = make_case(d, GetParam(), false, 5);
  Context context;
  run(context, with.args());
  run(context, without.args());
  EXPECT_EQ(values(with.dq), values(without.dq));
  EXPECT_EQ(values(with.dk), values(without.dk));
  EXPECT_EQ(values(with.dv), values(without.dv));
  // One of two memories constant, and of the other only the values' gradient.
  BackwardCase half = make_case(d, GetParam(), true, 5);
  half.memory[0] = {};
  half.memory[1].dk = {};
  run(context, half.args());
  EXPECT_EQ(values(with.dq), values(half.dq));
  EXPECT_EQ(values(with.memory[1].dv), values(half.memory[1].dv));
}

TEST_P(AttentionBackwardDType, MemoryGradientsAreAdded) {
  BackwardCase example = make_case({4, 2, 20, 50, 0, {40, 30}}, GetParam(), true, 6);
  Context context;
  run(context, example.args());
  const std::vector<double> once = values(example.memory[1].dk);
  const AttentionBackwardArgs again = example.args();
  attention_backward(context, {&again, 1});
  std::vector<double> twice = once;
  for (double& x : twice) x *= 2.0;
  EXPECT_LT(relative_error(values(example.memory[1].dk), twice), 1e-6);
}

TEST_P(AttentionBackwardDType, MemoriesMayHaveTheSameGradient) {
  for (const int threads : {1, 16}) {
    BackwardCase apart = make_case({2, 1, 20, 60, 0, {200, 200}}, GetParam(), true, 6);
    BackwardCase same = make_case({2, 1, 20, 60, 0, {200, 200}}, GetParam(), true, 6);
    same.memory[1] = same.memory[0];
    Context context({.threads = threads});
    run(context, apart.args());
    run(context, same.args());
    std::vector<double> sum = values(apart.memory[0].dk);
    const std::vector<double> second = values(apart.memory[1].dk);
    for (size_t i = 0; i < sum.size(); ++i) sum[i] += second[i];
    EXPECT_LT(relative_error(values(same.memory[0].dk), sum), 1e-6);
  }
}

TEST_P(AttentionBackwardDType, UnreadKeysGetZero) {
  const BackwardCase example = make_case({2, 1, 16, 5, 3, {}, 300}, GetParam(), true, 7);
  Context context;
  const Tensor poison =
      random_tensor({1, 292, 16}, GetParam(), 4, std::numeric_limits<float>::quiet_NaN());
  copy(context, poison, example.forward.k.view().slice(1, 8, 300));
  copy(context, poison, example.forward.v.view().slice(1, 8, 300));
  copy(context, poison, example.dk.view().slice(1, 8, 300));
  copy(context, poison, example.dv.view().slice(1, 8, 300));
  run(context, example.args());
  for (const TensorView& x : {example.dk.view(), example.dv.view()}) {
    for (const double value : values(x.slice(1, 8, 300))) ASSERT_EQ(value, 0.0);
    for (const double value : values(x.slice(1, 0, 8))) ASSERT_TRUE(std::isfinite(value));
  }
  for (const double value : values(example.dq)) ASSERT_TRUE(std::isfinite(value));
}

TEST_P(AttentionBackwardDType, StridesAreFree) {
  const DType dtype = GetParam();
  BackwardCase example = make_case({4, 2, 20, 30, 10, {24}}, dtype, true, 8);
  // q and dq between other columns, k and v as [S, G, D] seen as [G, S, D], out and dout by head.
  const auto columns = [](const Tensor& x) { return x.view().slice(1, 80, 160).split_last(20); };
  const auto turned = [](const Tensor& x) { return x.view().permute({1, 0, 2}); };
  const Tensor wide = random_tensor({30, 240}, dtype, 9);
  const Tensor dwide = random_tensor({30, 240}, dtype, 10);
  const Tensor k = random_tensor({40, 2, 20}, dtype, 11);
  const Tensor v = random_tensor({40, 2, 20}, dtype, 12);
  const Tensor dk({40, 2, 20}, dtype);
  const Tensor dv({40, 2, 20}, dtype);
  const Tensor out({4, 30, 20}, dtype);
  const Tensor dout = random_tensor({4, 30, 20}, dtype, 13);
  AttentionBackwardArgs args = example.args();
  args.forward.q = columns(wide);
  args.forward.k = turned(k);
  args.forward.v = turned(v);
  args.forward.out = turned(out);
  args.dout = turned(dout);
  args.dq = columns(dwide);
  args.dk = turned(dk);
  args.dv = turned(dv);
  const std::vector<double> left = values(dwide.view().slice(1, 0, 80));
  const std::vector<double> right = values(dwide.view().slice(1, 160, 240));
  Context context;
  run(context, args);
  const AttentionGradients expected = reference::attention_gradients(args.forward, args.dout);
  expect_gradients(args, expected, tolerance(dtype));
  expect_memory(args, expected, tolerance(dtype));
  EXPECT_EQ(values(dwide.view().slice(1, 0, 80)), left);
  EXPECT_EQ(values(dwide.view().slice(1, 160, 240)), right);
}

TEST_P(AttentionBackwardDType, LargeScoresDoNotOverflow) {
  BackwardCase example = make_case({2, 2, 16, 40, 0, {40}}, GetParam(), true, 14);
  example.forward.scale = 20.0F;
  Context context;
  run(context, example.args());
  for (const TensorView& x : {example.dq.view(), example.dk.view(), example.dv.view()}) {
    for (const double value : values(x)) ASSERT_TRUE(std::isfinite(value));
  }
}

std::vector<BackwardCase> batch(DType dtype) {
  std::vector<BackwardCase> cases;
  cases.push_back(make_case({4, 2, 64, 64, 0, {}}, dtype, true, 20));
  cases.push_back(make_case({4, 2, 64, 200, 30, {100, 50}}, dtype, true, 30));
  cases.push_back(make_case({3, 3, 20, 65, 5, {33}}, dtype, false, 40));
  cases.push_back(make_case({2, 1, 100, 1, 0, {}}, dtype, true, 50));
  return cases;
}

std::vector<AttentionBackwardArgs> args_of(const std::vector<BackwardCase>& cases) {
  std::vector<AttentionBackwardArgs> calls;
  for (const BackwardCase& example : cases) calls.push_back(example.args());
  return calls;
}

TEST_P(AttentionBackwardDType, ABatchIsItsCallsWhateverTheThreads) {
  const std::vector<BackwardCase> alone = batch(GetParam());
  Context one({.threads = 1});
  for (const BackwardCase& example : alone) run(one, example.args());
  for (const int threads : {1, 2, 5, 40}) {
    const std::vector<BackwardCase> together = batch(GetParam());
    Context context({.threads = threads});
    const std::vector<AttentionBackwardArgs> calls = args_of(together);
    for (const AttentionBackwardArgs& call : calls) attention(context, call.forward);
    attention_backward(context, calls);
    for (size_t i = 0; i < alone.size(); ++i) {
      EXPECT_EQ(values(alone[i].dq), values(together[i].dq)) << threads << " threads, call " << i;
      EXPECT_EQ(values(alone[i].dk), values(together[i].dk)) << threads << " threads, call " << i;
      EXPECT_EQ(values(alone[i].dv), values(together[i].dv)) << threads << " threads, call " << i;
      for (size_t s = 0; s < alone[i].memory.size(); ++s) {
        EXPECT_EQ(values(alone[i].memory[s].dk), values(together[i].memory[s].dk));
        EXPECT_EQ(values(alone[i].memory[s].dv), values(together[i].memory[s].dv));
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Both, AttentionBackwardDType, testing::Values(DType::f32, DType::bf16));

TEST(AttentionBackward, NoCallsAndNoRowsAreFine) {
  Context context;
  attention_backward(context, {});
  BackwardCase example = make_case({4, 2, 16, 8, 0, {}}, DType::f32, true, 15);
  AttentionBackwardArgs args = example.args();
  for (TensorView* x :
       {&args.forward.q, &args.forward.out, &args.forward.lse, &args.dout, &args.dq}) {
    *x = x->slice(0, 0, 0);
  }
  attention_backward(context, {&args, 1});
  for (const double value : values(example.dk)) ASSERT_EQ(value, 0.0);
}

TEST(AttentionBackward, RefusesWhatDoesNotFit) {
  Context context;
  BackwardCase example = make_case({4, 2, 16, 8, 0, {4, 4}}, DType::f32, true, 16);
  const auto refuses = [&](auto change) {
    AttentionBackwardArgs args = example.args();
    change(args);
    EXPECT_THROW(attention_backward(context, {&args, 1}), Error);
  };
  refuses([](auto& args) { args.forward.lse = {}; });
  refuses([](auto& args) { args.dq = args.dq.slice(0, 0, 7); });
  refuses([](auto& args) { args.dv = args.dv.slice(1, 0, 7); });
  refuses([](auto& args) { args.memory = args.memory.subspan(1); });
  const Tensor narrow({2, 4, 16}, DType::bf16);
  const std::vector<MemoryGradient> wrong{{narrow, {}}, {}};
  refuses([&](auto& args) { args.memory = wrong; });
  const BackwardCase other = make_case({4, 2, 16, 8, 0, {}}, DType::bf16, true, 17);
  const std::vector<AttentionBackwardArgs> mixed{example.args(), other.args()};
  EXPECT_THROW(attention_backward(context, mixed), Error);
}

}  // namespace
}  // namespace memlong::ops
