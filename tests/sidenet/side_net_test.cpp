#include "sidenet/side_net.h"

#include <tuple>

#include <gtest/gtest.h>

#include "support/golden.h"

namespace memlong::sidenet {
namespace {

class GoldenSideNet : public testing::TestWithParam<std::tuple<const char*, DType>> {
 protected:
  GoldenSideNet()
      : dtype_(std::get<1>(GetParam())),
        golden_(std::get<0>(GetParam())),
        count_(static_cast<int64_t>(golden_.ids.size())),
        weights_(backbone::load_weights(context_, golden_.store, golden_.config, dtype_, count_)),
        writer_(weights_, golden_.memory_layer),
        side_net_(weights_, golden_.memory_layer, golden_.reading_layers),
        cache_(golden_.config, golden_.config.layers, count_, dtype_),
        x_({count_, golden_.config.hidden}, DType::f32),
        logits_({count_, golden_.config.vocab}, DType::f32) {}

  /// K and V of a segment's past chunks, one after the other, in the network's dtype.
  Tensor gather(const std::string& name, const std::vector<int64_t>& chunks) {
    const TensorView past = golden_.values.get(name);
    const auto total = static_cast<int64_t>(chunks.size()) * golden_.chunk;
    Tensor out({golden_.config.kv_heads, total, golden_.config.head_dim}, dtype_);
    const Tensor aligned = Tensor::copy_of(past);
    int64_t at = 0;
    for (const int64_t chunk : chunks) {
      ops::copy(context_,
                aligned.view().slice(1, chunk * golden_.chunk, (chunk + 1) * golden_.chunk),
                out.view().slice(1, at, at + golden_.chunk));
      at += golden_.chunk;
    }
    return out;
  }

  Context context_;
  DType dtype_;
  test::Golden golden_;
  int64_t count_;
  std::shared_ptr<const backbone::LlamaWeights> weights_;
  backbone::Writer writer_;
  SideNet side_net_;
  backbone::KvCache cache_;
  Tensor x_;
  Tensor logits_;
};

TEST_P(GoldenSideNet, WithoutMemory) {
  writer_.forward(context_, golden_.ids, cache_, 0, x_);
  const Tensor k({golden_.config.kv_heads, count_, golden_.config.head_dim}, dtype_);
  const Tensor v(k.shape(), dtype_);
  const backbone::LayerObserver observer = [&](int64_t layer, const TensorView& hidden) {
    const TensorView want = golden_.values.get("hidden." + std::to_string(layer));
    EXPECT_LE(test::relative_error(context_, hidden, want), test::golden_upper_tolerance(dtype_))
        << layer;
  };
  side_net_.forward(context_, cache_, {.x = x_, .raw_k = k, .raw_v = v, .observer = &observer});
  side_net_.logits(context_, x_, logits_);
  const double tolerance = test::golden_upper_tolerance(dtype_);
  EXPECT_LE(test::relative_error(context_, logits_, golden_.values.get("logits")), tolerance);
  EXPECT_LE(test::relative_error(context_, k, golden_.values.get("memory_layer.k_raw")), tolerance);
  EXPECT_LE(test::relative_error(context_, v, golden_.values.get("memory_layer.v")), tolerance);
}

TEST_P(GoldenSideNet, WithMemoryPerSegment) {
  std::vector<Tensor> kept;
  std::vector<ops::MemorySegment> segments;
  for (const test::GoldenSegment& segment : golden_.segments) {
    if (segment.past_chunks.empty()) continue;
    kept.push_back(gather("past.k_raw", segment.past_chunks));
    kept.push_back(gather("past.v", segment.past_chunks));
    segments.push_back({.begin = segment.begin,
                        .end = segment.end,
                        .k = kept[kept.size() - 2],
                        .v = kept[kept.size() - 1]});
  }
  ASSERT_EQ(segments.size(), 3U);
  writer_.forward(context_, golden_.ids, cache_, 0, x_);
  backbone::MassProbe probe;
  side_net_.forward(context_, cache_, {.x = x_, .memory = segments, .probe = &probe});
  side_net_.logits(context_, x_, logits_);
  const double tolerance = test::golden_upper_tolerance(dtype_);
  EXPECT_LE(test::relative_error(context_, x_, golden_.values.get("memory.hidden.last")),
            tolerance);
  EXPECT_LE(test::relative_error(context_, logits_, golden_.values.get("memory.logits")),
            tolerance);

  // The share of attention that memory got lies between none and all of it.
  ASSERT_EQ(probe.mass.size(), segments.size());
  const auto layers = static_cast<int64_t>(golden_.reading_layers.size());
  EXPECT_EQ(probe.rows, count_ * golden_.config.heads * layers);
  for (size_t i = 0; i < segments.size(); ++i) {
    double sum = 0.0;
    for (int64_t j = 0; j < probe.mass[i].dim(0); ++j) sum += probe.mass[i].data<float>()[j];
    const int64_t rows = segments[i].end - segments[i].begin;
    EXPECT_GT(sum, 0.0);
    EXPECT_LT(sum, static_cast<double>(rows * golden_.config.heads * layers));
  }
}

TEST_P(GoldenSideNet, TokenByTokenIsTheSame) {
  for (int64_t t = 0; t < count_; ++t) {
    const auto row = x_.view().slice(0, t, t + 1);
    writer_.forward(context_, std::span(golden_.ids).subspan(static_cast<size_t>(t), 1), cache_, t,
                    row);
    side_net_.forward(context_, cache_, {.x = row, .offset = t});
  }
  side_net_.logits(context_, x_, logits_);
  EXPECT_LE(test::relative_error(context_, logits_, golden_.values.get("logits")),
            test::golden_upper_tolerance(dtype_));
}

INSTANTIATE_TEST_SUITE_P(All, GoldenSideNet,
                         testing::Combine(testing::Values("tiny-mha", "tiny-gqa", "tiny-head20"),
                                          testing::Values(DType::f32, DType::bf16)));

}  // namespace
}  // namespace memlong::sidenet
