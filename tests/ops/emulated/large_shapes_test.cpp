// Tensors of more than 2^31 elements: of each launch the first and the last blocks are run, so that
// places that overflow an int, and grids that end too early, show.
#include <gtest/gtest.h>

#include "ops/adamw.h"
#include "ops/column_sum.h"
#include "ops/copy.h"
#include "ops/cross_entropy.h"
#include "ops/embedding.h"
#include "ops/reference.h"
#include "ops/rms_norm.h"
#include "ops/rope.h"
#include "ops/swiglu.h"
#include "ops/top_k.h"
#include "support/cuda_emulation/large_run.h"

namespace memlong::ops {
namespace {

using reference::random_tensor;
using reference::relative_error;
using reference::values;

constexpr int64_t kColumns = 4096;
/// With kColumns more than 2^31 elements, whose end falls to the first blocks of kernels that go
/// through their elements in strides of the grid.
constexpr int64_t kRows = (1 << 19) + 2;

class LargeShapes : public testing::Test {
 protected:
  static Tensor large(const Shape& shape, DType dtype = DType::f32) {
    return {shape, dtype, Device::cuda};
  }
  static Tensor rows_of(const TensorView& x, uint32_t seed) {
    return random_tensor({2, x.dim(1)}, x.dtype(), seed);
  }
  /// The first and the last row of x become those of `host`, and back.
  void set_ends(const TensorView& x, const Tensor& host) {
    copy(context_, host.view().slice(0, 0, 1), x.slice(0, 0, 1));
    copy(context_, host.view().slice(0, 1, 2), x.slice(0, x.dim(0) - 1, x.dim(0)));
  }
  std::vector<double> ends(const TensorView& x) {
    const Tensor host({2, x.dim(1)}, x.dtype());
    copy(context_, x.slice(0, 0, 1), host.view().slice(0, 0, 1));
    copy(context_, x.slice(0, x.dim(0) - 1, x.dim(0)), host.view().slice(0, 1, 2));
    return values(host);
  }
  /// The ends of x are what `expected` holds.
  void expect_ends(const TensorView& x, const Tensor& expected, double tolerance = 1e-5) {
    EXPECT_LE(relative_error(ends(x), values(expected)), tolerance);
  }

  cuda_emulation::LargeRun run_ = cuda_emulation::LargeRun(8);
  Context context_ = Context({.device = Device::cuda});
  Context cpu_;
};

TEST_F(LargeShapes, RmsNorm) {
  const Tensor x = large({kRows, kColumns});
  const Tensor out = large({kRows, kColumns});
  const Tensor host = rows_of(x, 1);
  const Tensor weight = random_tensor({kColumns}, DType::f32, 2);
  set_ends(x, host);
  rms_norm(context_, x, convert(context_, weight, DType::f32), 1e-5F, out);
  const Tensor expected(host.shape(), DType::f32);
  rms_norm(cpu_, host, weight, 1e-5F, expected);
  expect_ends(out, expected);
}

TEST_F(LargeShapes, RmsNormBackward) {
  const Tensor x = large({kRows, kColumns});
  const Tensor dout = large({kRows, kColumns});
  const Tensor dx = large({kRows, kColumns});
  const Tensor host = rows_of(x, 1);
  const Tensor host_dout = rows_of(x, 2);
  const Tensor weight = random_tensor({kColumns}, DType::f32, 3);
  set_ends(x, host);
  set_ends(dout, host_dout);
  const Tensor dweight = Tensor::zeros({kColumns}, DType::f32, Device::cuda);
  rms_norm_backward(context_, x, convert(context_, weight, DType::f32), 1e-5F, dout, dx, dweight);
  const Tensor expected = Tensor::zeros(host.shape(), DType::f32);
  rms_norm_backward(cpu_, host, weight, 1e-5F, host_dout, expected, {});
  expect_ends(dx, expected);
}

TEST_F(LargeShapes, Swiglu) {
  const Tensor gate_up = large({kRows, 2 * kColumns});
  const Tensor out = large({kRows, kColumns});
  const Tensor host = rows_of(gate_up, 1);
  set_ends(gate_up, host);
  swiglu(context_, gate_up, out);
  const Tensor expected({2, kColumns}, DType::f32);
  swiglu(cpu_, host, expected);
  expect_ends(out, expected);

  const Tensor host_dout = rows_of(out, 2);
  set_ends(out, host_dout);
  swiglu_backward(context_, gate_up, out, gate_up);
  const Tensor slopes({2, 2 * kColumns}, DType::f32);
  swiglu_backward(cpu_, host, host_dout, slopes);
  expect_ends(gate_up, slopes);
}

TEST_F(LargeShapes, Rope) {
  constexpr int64_t kTokens = (1 << 20) + 1;
  constexpr int64_t kHeads = 2048;
  const RopeTable table({.theta = 10000.0}, 2, kTokens);
  const Tensor x = large({kTokens, 2 * kHeads});
  const Tensor host = rows_of(x, 1);
  set_ends(x, host);
  const TensorView heads = x.view().split_last(2);
  rope(context_, heads, table.on(context_), 0, heads);
  const TensorView expected = host.view().split_last(2);
  rope(cpu_, expected.slice(0, 0, 1), table, 0, expected.slice(0, 0, 1));
  rope(cpu_, expected.slice(0, 1, 2), table, kTokens - 1, expected.slice(0, 1, 2));
  expect_ends(x, host);
}

TEST_F(LargeShapes, Embedding) {
  const Tensor table = large({kRows, kColumns}, DType::bf16);
  const Tensor host = rows_of(table, 1);
  set_ends(table, host);
  std::vector<int32_t> ids(kRows, 1);
  ids.front() = kRows - 1;
  ids.back() = 0;
  const Tensor out = large({kRows, kColumns});
  embedding(context_, table, ids, out);
  const Tensor expected({2, kColumns}, DType::f32);
  embedding(cpu_, host, std::vector<int32_t>{1, 0}, expected);
  expect_ends(out, expected);
}

TEST_F(LargeShapes, EmbeddingBackward) {
  constexpr int64_t kIds = (1 << 21) + 2;
  const Tensor dtable = large({kIds, 1024});
  const Tensor dout = random_tensor({3, 1024}, DType::f32, 1);
  embedding_backward(context_, std::vector<int32_t>{kIds - 1, 0, 0},
                     convert(context_, dout, DType::f32), dtable);
  const Tensor expected = Tensor::zeros({2, 1024}, DType::f32);
  embedding_backward(cpu_, std::vector<int32_t>{1, 0, 0}, dout, expected);
  expect_ends(dtable, expected);
}

TEST_F(LargeShapes, CrossEntropy) {
  constexpr int64_t kTokens = (1 << 17) + 1;
  constexpr int64_t kVocabulary = 32000;
  const Tensor logits = large({kTokens, kVocabulary});
  const Tensor host = rows_of(logits, 1);
  set_ends(logits, host);
  std::vector<int32_t> targets(kTokens, 3);
  const std::vector<float> weights(kTokens, 0.5F);
  std::vector<float> loss(kTokens);
  std::vector<int32_t> argmax(kTokens);
  targets.back() = kVocabulary - 1;
  cross_entropy(context_, {.logits = logits,
                           .targets = targets,
                           .weights = weights,
                           .loss = loss,
                           .argmax = argmax,
                           .dlogits = logits});
  std::vector<float> wanted(2);
  std::vector<int32_t> best(2);
  cross_entropy(cpu_, {.logits = host,
                       .targets = std::vector<int32_t>{3, kVocabulary - 1},
                       .weights = std::vector<float>{0.5F, 0.5F},
                       .loss = wanted,
                       .argmax = best,
                       .dlogits = host});
  expect_ends(logits, host);
  EXPECT_NEAR(loss.back(), wanted[1], 1e-5);
  EXPECT_EQ(argmax.back(), best[1]);
}

TEST_F(LargeShapes, ColumnSum) {
  const Tensor x = large({1 << 17, 1 << 15});
  const Tensor host = rows_of(x, 1);
  set_ends(x, host);
  const Tensor sums = Tensor::zeros({1 << 15}, DType::f32, Device::cuda);
  column_sum(context_, x, sums);
  const Tensor expected = Tensor::zeros({1 << 15}, DType::f32);
  column_sum(cpu_, host, expected);
  const auto last = [](const TensorView& view) { return view.slice(0, (1 << 15) - 64, 1 << 15); };
  const Tensor found({64}, DType::f32);
  copy(context_, last(sums), found);
  EXPECT_LE(relative_error(values(found), values(Tensor::copy_of(last(expected)))), 1e-5);
}

TEST_F(LargeShapes, Copy) {
  const Tensor x = large({kRows, 2 * kColumns});
  const Tensor out = large({kRows, kColumns}, DType::bf16);
  const Tensor host = random_tensor({2, kColumns}, DType::f32, 1);
  const TensorView half = x.view().slice(1, kColumns, 2 * kColumns);
  set_ends(half, host);
  copy(context_, half, out);
  expect_ends(out, convert(cpu_, host, DType::bf16), 0.0);
}

TEST_F(LargeShapes, FlatBuffers) {
  constexpr int64_t kElements = kRows * kColumns;
  const Tensor value = large({kElements / 16, 16});
  const Tensor gradient = large({kElements / 16, 16});
  const Tensor m = large({kElements / 16, 16});
  const Tensor v = large({kElements / 16, 16});
  const Tensor host = rows_of(value, 1);
  const Tensor host_gradient = rows_of(value, 2);
  set_ends(value, host);
  set_ends(gradient, host_gradient);
  EXPECT_NEAR(square_sum(context_, gradient), square_sum(cpu_, host_gradient), 1e-6);
  const AdamWOptions options{.lr = 0.1F, .step = 1};
  adamw(context_, value, gradient, m, v, options);
  const Tensor host_m = Tensor::zeros(host.shape(), DType::f32);
  const Tensor host_v = Tensor::zeros(host.shape(), DType::f32);
  adamw(cpu_, host, host_gradient, host_m, host_v, options);
  expect_ends(value, host);
  expect_ends(v, host_v);
}

TEST_F(LargeShapes, TopK) {
  constexpr int64_t kElements = (int64_t{1} << 31) + 16;
  const Tensor x = large({kElements});
  const Tensor two = Tensor::zeros({2}, DType::f32);
  two.data<float>()[0] = 3.0F;
  two.data<float>()[1] = 5.0F;
  copy(context_, two, x.view().slice(0, kElements - 2, kElements));
  const std::vector<Scored> best = top_k(context_, x, 2);
  ASSERT_EQ(best.size(), 2U);
  EXPECT_EQ(best[0].index, kElements - 1);
  EXPECT_EQ(best[1].index, kElements - 2);
  EXPECT_EQ(best[0].value, 5.0F);
}

}  // namespace
}  // namespace memlong::ops
