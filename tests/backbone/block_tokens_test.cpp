#include "backbone/block_tokens.h"

#include <span>
#include <vector>

#include <gtest/gtest.h>

#include "backbone/writer.h"
#include "support/golden.h"

namespace memlong::backbone {
namespace {

class TokensTogether : public testing::TestWithParam<const char*> {
 protected:
  [[nodiscard]] std::span<const int32_t> ids(int64_t at, int64_t count) const {
    return std::span(golden_.ids).subspan(static_cast<size_t>(at), static_cast<size_t>(count));
  }
  /// A cache behind the first `depth` tokens.
  KvCache cache(int64_t depth) {
    KvCache made(golden_.config, golden_.memory_layer, count_, DType::f32);
    if (depth == 0) return made;
    const Tensor x({depth, golden_.config.hidden}, DType::f32);
    writer_.forward(context_, ids(0, depth), made, 0, x);
    return made;
  }

  Context context_;
  test::Golden golden_ = test::Golden(GetParam());
  int64_t count_ = static_cast<int64_t>(golden_.ids.size());
  std::shared_ptr<const LlamaWeights> weights_ =
      load_weights(context_, golden_.store, golden_.config, DType::f32, count_);
  Writer writer_ = Writer(weights_, golden_.memory_layer);
};

TEST_P(TokensTogether, TheWriterReadsThemAsOneByOne) {
  const std::vector<int64_t> depths = {9, 0, 20, 4, 13, 1, 7, 2};
  const int64_t hidden = golden_.config.hidden;
  std::vector<KvCache> alone;
  std::vector<KvCache> together;
  for (const int64_t depth : depths) {
    alone.push_back(cache(depth));
    together.push_back(cache(depth));
  }
  const Tensor x({static_cast<int64_t>(depths.size()), hidden}, DType::f32);
  const Tensor row({1, hidden}, DType::f32);
  for (int64_t step = 0; step < 3; ++step) {
    std::vector<int32_t> next;
    std::vector<TokenPlace> places;
    for (size_t i = 0; i < depths.size(); ++i) {
      next.push_back(ids(depths[i] + step, 1)[0]);
      places.push_back({.cache = &together[i], .position = depths[i] + step});
    }
    writer_.forward_tokens(context_, next, places, x);
    for (size_t i = 0; i < depths.size(); ++i) {
      const auto at = static_cast<int64_t>(i);
      writer_.forward(context_, ids(depths[i] + step, 1), alone[i], depths[i] + step, row);
      EXPECT_LE(test::relative_error(context_, x.view().slice(0, at, at + 1), row), 1e-5) << i;
    }
  }
  for (size_t i = 0; i < depths.size(); ++i) {
    const auto filled = [&](const TensorView& cached) { return cached.slice(1, 0, depths[i] + 3); };
    for (int64_t layer = 0; layer < golden_.memory_layer; ++layer) {
      EXPECT_LE(test::relative_error(context_, filled(together[i].k(layer)),
                                     Tensor::copy_of(filled(alone[i].k(layer)))),
                1e-5);
      EXPECT_LE(test::relative_error(context_, filled(together[i].v(layer)),
                                     Tensor::copy_of(filled(alone[i].v(layer)))),
                1e-5);
    }
  }
}

/// Only where the call says so.
TEST_P(TokensTogether, ReadMemoryAndKeepKeysWhereTheyShall) {
  const model::ModelConfig& config = golden_.config;
  const Tensor past_k = Tensor::copy_of(golden_.values.get("past.k_raw"));
  const Tensor past_v = Tensor::copy_of(golden_.values.get("past.v"));
  const ops::MemorySegment segment{.begin = 0, .end = 1, .k = past_k, .v = past_v};
  for (const bool reads : {false, true}) {
    std::vector<KvCache> caches;
    std::vector<MassProbe> probes(2);
    std::vector<Tensor> raw;
    std::vector<TokenPlace> places;
    for (int i = 0; i < 2; ++i) caches.push_back(cache(5));
    for (int i = 0; i < 4; ++i) {
      raw.push_back(Tensor::zeros({config.kv_heads, 1, config.head_dim}, DType::f32));
    }
    for (size_t i = 0; i < 2; ++i) {
      places.push_back({.cache = &caches[i],
                        .position = 5,
                        .memory = std::span(&segment, 1),
                        .raw_k = raw[2 * i],
                        .raw_v = raw[2 * i + 1],
                        .probe = &probes[i]});
    }
    const Tensor x({2, config.hidden}, DType::f32);
    for (int64_t i = 0; i < x.view().elements(); ++i) {
      x.data<float>()[i] = 0.1F * static_cast<float>(i % 13 - 6);
    }
    const Tensor alone = Tensor::copy_of(x.view().slice(0, 1, 2));
    block_tokens(context_, *weights_,
                 {.x = x, .tokens = places, .layer = 0, .reads = reads, .keeps_raw = reads});
    KvCache own = cache(5);
    const Tensor k({config.kv_heads, 1, config.head_dim}, DType::f32);
    const Tensor v(k.shape(), DType::f32);
    MassProbe probe;
    BlockCall call{.x = alone, .layer = 0, .offset = 5};
    if (reads) {
      call.memory = std::span(&segment, 1);
      call.raw_k = k;
      call.raw_v = v;
      call.probe = &probe;
    }
    block_forward(context_, *weights_, own, call);
    EXPECT_LE(test::relative_error(context_, x.view().slice(0, 1, 2), alone), 1e-5);
    EXPECT_EQ(probes[1].rows, reads ? config.heads : 0);
    EXPECT_EQ(probes[1].mass.size(), reads ? 1U : 0U);
    if (!reads) {
      EXPECT_EQ(raw[2].data<float>()[0], 0.0F);
      continue;
    }
    EXPECT_LE(test::relative_error(context_, raw[2], k), 1e-5);
    EXPECT_LE(test::relative_error(context_, raw[3], v), 1e-5);
    EXPECT_LE(test::relative_error(context_, probes[1].mass[0], probe.mass[0]), 1e-5);
  }
}

INSTANTIATE_TEST_SUITE_P(All, TokensTogether,
                         testing::Values("tiny-mha", "tiny-gqa", "tiny-head20"));

}  // namespace
}  // namespace memlong::backbone
