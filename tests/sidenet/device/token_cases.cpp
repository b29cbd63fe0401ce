// The next tokens of several windows in one pass, on every device that the build has, beside the
// same windows read one after the other on the CPU.
#include <string>
#include <tuple>
#include <vector>

#include <gtest/gtest.h>

#include "sidenet/side_net.h"
#include "support/golden.h"
#include "tensor/devices.h"

namespace memlong::sidenet {
namespace {

using backbone::TokenPlace;

constexpr int64_t kSteps = 3;
constexpr int64_t kDepths[] = {1, 17, 6, 12};  // tokens of the windows before

/// A window and what its tokens read and leave behind.
struct Window {
  backbone::KvCache cache;
  Tensor raw_k, raw_v;  ///< [G, W, D]
  Tensor k, v;          ///< memory; the first window has none
  backbone::MassProbe probe;
};

/// What is there when all tokens are read, in main memory.
struct Outcome {
  std::vector<Tensor> values;
  std::vector<int64_t> rows;  ///< of the probes
};

/// One network on one device, and four windows.
class World {
 public:
  World(const test::Golden& golden, DType dtype, Device device)
      : context_({.device = device}),
        golden_(golden),
        count_(static_cast<int64_t>(golden.ids.size())),
        weights_(backbone::load_weights(context_, golden.store, golden.config, dtype, count_)),
        writer_(weights_, golden.memory_layer),
        side_net_(weights_, golden.memory_layer, golden.reading_layers) {
    for (size_t i = 0; i < std::size(kDepths); ++i) windows_.push_back(window(i, dtype));
  }

  Outcome one_by_one() {
    Outcome outcome;
    for (int64_t step = 0; step < kSteps; ++step) {
      for (size_t i = 0; i < windows_.size(); ++i) {
        const int64_t at = kDepths[i] + step;
        const Tensor x = row();
        writer_.forward(context_, ids(at, 1), windows_[i].cache, at, x);
        const ops::MemorySegment segment = memory(i);
        const TokenPlace place = place_of(i, at, segment);
        side_net_.forward(context_, windows_[i].cache,
                          {.x = x,
                           .offset = at,
                           .memory = place.memory,
                           .raw_k = place.raw_k,
                           .raw_v = place.raw_v,
                           .probe = place.probe});
        keep_logits(x, outcome);
      }
    }
    keep_windows(outcome);
    return outcome;
  }

  Outcome together() {
    Outcome outcome;
    const auto rows = static_cast<int64_t>(windows_.size());
    const Tensor x({rows, golden_.config.hidden}, DType::f32, context_.device());
    std::vector<ops::MemorySegment> segments;
    for (size_t i = 0; i < windows_.size(); ++i) segments.push_back(memory(i));
    for (int64_t step = 0; step < kSteps; ++step) {
      std::vector<int32_t> next;
      std::vector<TokenPlace> places;
      for (size_t i = 0; i < windows_.size(); ++i) {
        const int64_t at = kDepths[i] + step;
        next.push_back(golden_.ids[static_cast<size_t>(at)]);
        places.push_back(place_of(i, at, segments[i]));
      }
      writer_.forward_tokens(context_, next, places, x);
      side_net_.forward_tokens(context_, places, x);
      for (int64_t i = 0; i < rows; ++i) keep_logits(x.view().slice(0, i, i + 1), outcome);
    }
    keep_windows(outcome);
    return outcome;
  }

 private:
  [[nodiscard]] Tensor row() const {
    return {{1, golden_.config.hidden}, DType::f32, context_.device()};
  }
  [[nodiscard]] std::span<const int32_t> ids(int64_t at, int64_t count) const {
    return std::span(golden_.ids).subspan(static_cast<size_t>(at), static_cast<size_t>(count));
  }

  Window window(size_t i, DType dtype) {
    const model::ModelConfig& config = golden_.config;
    const Shape raw{config.kv_heads, count_, config.head_dim};
    Window made;
    made.cache = backbone::KvCache(context_, config, config.layers, count_, dtype);
    made.raw_k = Tensor::zeros(raw, dtype, context_.device());
    made.raw_v = Tensor::zeros(raw, dtype, context_.device());
    if (i > 0) {
      const auto tokens = static_cast<int64_t>(i) * golden_.chunk;
      made.k = past("past.k_raw", tokens, dtype);
      made.v = past("past.v", tokens, dtype);
    }
    const Tensor x({kDepths[i], config.hidden}, DType::f32, context_.device());
    writer_.forward(context_, ids(0, kDepths[i]), made.cache, 0, x);
    side_net_.forward(context_, made.cache, {.x = x});
    return made;
  }

  Tensor past(const std::string& name, int64_t tokens, DType dtype) {
    const Tensor all = Tensor::copy_of(golden_.values.get(name));
    EXPECT_LE(tokens, all.dim(1));
    Tensor out({all.dim(0), tokens, all.dim(2)}, dtype, context_.device());
    ops::copy(context_, all.view().slice(1, 0, tokens), out);
    return out;
  }

  [[nodiscard]] ops::MemorySegment memory(size_t i) const {
    return {.begin = 0, .end = 1, .k = windows_[i].k, .v = windows_[i].v};
  }

  /// The second window keeps no keys and is not measured.
  TokenPlace place_of(size_t i, int64_t at, const ops::MemorySegment& segment) {
    Window& window = windows_[i];
    TokenPlace place{.cache = &window.cache,
                     .position = at,
                     .memory = std::span(&segment, segment.k.empty() ? 0 : 1)};
    if (i == 1) return place;
    place.raw_k = window.raw_k.view().slice(1, at, at + 1);
    place.raw_v = window.raw_v.view().slice(1, at, at + 1);
    place.probe = &window.probe;
    return place;
  }

  void keep(const TensorView& view, Outcome& outcome) {
    outcome.values.emplace_back(view.shape(), view.dtype());
    ops::copy(context_, view, outcome.values.back());
  }
  void keep_logits(const TensorView& x, Outcome& outcome) {
    const Tensor logits({1, golden_.config.vocab}, DType::f32, context_.device());
    side_net_.logits(context_, x, logits);
    keep(x, outcome);
    keep(logits, outcome);
  }
  void keep_windows(Outcome& outcome) {
    for (size_t i = 0; i < windows_.size(); ++i) {
      const Window& window = windows_[i];
      const int64_t end = kDepths[i] + kSteps;
      for (int64_t layer = 0; layer < golden_.config.layers; ++layer) {
        keep(window.cache.k(layer).slice(1, 0, end), outcome);
        keep(window.cache.v(layer).slice(1, 0, end), outcome);
      }
      outcome.rows.push_back(window.probe.rows);
      for (const Tensor& mass : window.probe.mass) keep(mass, outcome);
      if (i == 1) continue;
      keep(window.raw_k.view().slice(1, kDepths[i], end), outcome);
      keep(window.raw_v.view().slice(1, kDepths[i], end), outcome);
    }
  }

  Context context_;
  const test::Golden& golden_;
  int64_t count_;
  std::shared_ptr<const backbone::LlamaWeights> weights_;
  backbone::Writer writer_;
  SideNet side_net_;
  std::vector<Window> windows_;
};

class TokensTogether : public testing::TestWithParam<std::tuple<const char*, DType>> {};

TEST_P(TokensTogether, AreReadAsOneByOne) {
  const auto& [name, dtype] = GetParam();
  const test::Golden golden(name);
  Context cpu;
  const Outcome wanted = World(golden, dtype, Device::cpu).one_by_one();
  std::vector<Device> devices = {Device::cpu};
  if (!cuda_devices().devices.empty()) devices.push_back(Device::cuda);
  for (const Device device : devices) {
    const Outcome found = World(golden, dtype, device).together();
    ASSERT_EQ(found.values.size(), wanted.values.size());
    for (size_t i = 0; i < wanted.values.size(); ++i) {
      EXPECT_LE(test::relative_error(cpu, found.values[i], wanted.values[i]),
                test::golden_upper_tolerance(dtype))
          << i;
    }
    const int64_t measured =
        kSteps * golden.config.heads * static_cast<int64_t>(golden.reading_layers.size());
    EXPECT_EQ(found.rows, (std::vector<int64_t>{measured, 0, measured, measured}));
    EXPECT_EQ(found.rows, wanted.rows);
  }
}

INSTANTIATE_TEST_SUITE_P(All, TokensTogether,
                         testing::Combine(testing::Values("tiny-mha", "tiny-gqa", "tiny-head20"),
                                          testing::Values(DType::f32, DType::bf16)));

}  // namespace
}  // namespace memlong::sidenet
