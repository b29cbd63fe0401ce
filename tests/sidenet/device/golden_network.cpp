// The golden models on a CUDA device: the whole network, in pieces and token by token, with memory.
#include <tuple>

#include <gtest/gtest.h>

#include "sidenet/side_net.h"
#include "support/golden.h"

namespace memlong::sidenet {
namespace {

class GoldenOnDevice : public testing::TestWithParam<std::tuple<const char*, DType>> {
 protected:
  GoldenOnDevice()
      : dtype_(std::get<1>(GetParam())),
        golden_(std::get<0>(GetParam())),
        count_(static_cast<int64_t>(golden_.ids.size())),
        weights_(backbone::load_weights(context_, golden_.store, golden_.config, dtype_, count_)),
        writer_(weights_, golden_.memory_layer),
        side_net_(weights_, golden_.memory_layer, golden_.reading_layers),
        cache_(context_, golden_.config, golden_.config.layers, count_, dtype_),
        x_({count_, golden_.config.hidden}, DType::f32, Device::cuda),
        logits_({count_, golden_.config.vocab}, DType::f32, Device::cuda) {}

  double error(const TensorView& found, const std::string& name) {
    const Tensor host(found.shape(), found.dtype());
    ops::copy(context_, found, host);
    return test::relative_error(cpu_, host, golden_.values.get(name));
  }

  /// The past chunks of a segment, one after the other.
  Tensor gather(const std::string& name, const std::vector<int64_t>& chunks) {
    const Tensor past = Tensor::copy_of(golden_.values.get(name));
    const int64_t tokens = golden_.chunk;
    Tensor out({past.dim(0), static_cast<int64_t>(chunks.size()) * tokens, past.dim(2)}, dtype_,
               Device::cuda);
    for (size_t i = 0; i < chunks.size(); ++i) {
      const auto at = static_cast<int64_t>(i) * tokens;
      ops::copy(context_, past.view().slice(1, chunks[i] * tokens, (chunks[i] + 1) * tokens),
                out.view().slice(1, at, at + tokens));
    }
    return out;
  }

  void read(int64_t begin, int64_t end, const SideNetCall& call) {
    const auto ids = std::span(golden_.ids)
                         .subspan(static_cast<size_t>(begin), static_cast<size_t>(end - begin));
    writer_.forward(context_, ids, cache_, begin, call.x);
    side_net_.forward(context_, cache_, call);
    side_net_.logits(context_, call.x, logits_.view().slice(0, begin, end));
  }

  Context context_ = Context({.device = Device::cuda});
  Context cpu_;
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

TEST_P(GoldenOnDevice, WithoutMemory) {
  const Shape raw{golden_.config.kv_heads, count_, golden_.config.head_dim};
  const Tensor k(raw, dtype_, Device::cuda);
  const Tensor v(raw, dtype_, Device::cuda);
  read(0, count_, {.x = x_, .raw_k = k, .raw_v = v});
  const double tolerance = test::golden_upper_tolerance(dtype_);
  EXPECT_LE(error(logits_, "logits"), tolerance);
  EXPECT_LE(error(k, "memory_layer.k_raw"), tolerance);
  EXPECT_LE(error(v, "memory_layer.v"), tolerance);
}

TEST_P(GoldenOnDevice, WithMemoryPerSegment) {
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
  backbone::MassProbe probe;
  read(0, count_, {.x = x_, .memory = segments, .probe = &probe});
  const double tolerance = test::golden_upper_tolerance(dtype_);
  EXPECT_LE(error(logits_, "memory.logits"), tolerance);
  ASSERT_EQ(probe.mass.size(), segments.size());
  EXPECT_EQ(probe.mass[0].view().device(), Device::cuda);
}

TEST_P(GoldenOnDevice, InPiecesAndTokenByToken) {
  int64_t begin = 0;
  for (const int64_t piece : {int64_t{1}, int64_t{7}, count_ / 2}) {
    const int64_t end = std::min(count_, begin + piece);
    read(begin, end, {.x = x_.view().slice(0, begin, end), .offset = begin});
    begin = end;
  }
  for (; begin < count_; ++begin) {
    read(begin, begin + 1, {.x = x_.view().slice(0, begin, begin + 1), .offset = begin});
  }
  EXPECT_LE(error(logits_, "logits"), test::golden_upper_tolerance(dtype_));
}

/// What no golden model has: biases (which a narrow product cannot add by itself), a tied head.
TEST(NetworkOnDevice, BiasesAndATiedHeadAreTheCpus) {
  model::ModelConfig config;
  config.layers = 2;
  config.hidden = 40;
  config.ffn = 56;
  config.heads = 4;
  config.kv_heads = 2;
  config.head_dim = 12;
  config.vocab = 50;
  config.tied_head = config.qkv_bias = config.o_bias = config.mlp_bias = true;
  auto store =
      std::make_shared<model::WeightStore>(model::WeightStore::random(config, DType::f32, 3));
  Context cpu;
  for (const auto& [name, shape] : model::tensor_shapes(config)) {
    if (!name.ends_with(".bias")) continue;
    Tensor bias(shape, DType::f32);
    for (int64_t i = 0; i < shape.elements(); ++i) {
      bias.data<float>()[i] = 0.1F * static_cast<float>(i % 7 - 3);
    }
    store->replace(name, bias);
  }
  const std::vector<int32_t> ids = {3, 1, 4, 1, 5, 9, 2, 6, 49};
  const auto rows = static_cast<int64_t>(ids.size());
  for (const DType dtype : {DType::f32, DType::bf16}) {
    const auto logits_on = [&](Device device, DType type) {
      Context context({.device = device});
      const auto weights = backbone::load_weights(context, store, config, type, 16);
      backbone::KvCache cache(context, config, config.layers, 16, type);
      const Tensor x({rows, config.hidden}, DType::f32, device);
      const Tensor logits({rows, config.vocab}, DType::f32, device);
      backbone::Writer(weights, 1).forward(context, ids, cache, 0, x);
      const SideNet side_net(weights, 1, {1});
      side_net.forward(context, cache, {.x = x});
      side_net.logits(context, x, logits);
      Tensor host(logits.shape(), DType::f32);
      ops::copy(context, logits, host);
      return host;
    };
    const Tensor found = logits_on(Device::cuda, dtype);
    EXPECT_LE(test::relative_error(cpu, found, logits_on(Device::cpu, DType::f32)),
              test::golden_upper_tolerance(dtype));
  }
}

INSTANTIATE_TEST_SUITE_P(All, GoldenOnDevice,
                         testing::Combine(testing::Values("tiny-mha", "tiny-gqa", "tiny-head20"),
                                          testing::Values(DType::f32, DType::bf16)));

}  // namespace
}  // namespace memlong::sidenet
