// Where a token cannot be recorded, it is decoded all the same.
#include "engine/decoder.h"

#include <gtest/gtest.h>

#include "ops/copy.h"
#include "support/cuda_emulation/recording.h"
#include "support/paths.h"
#include "support/reference_model.h"

namespace memlong::engine {
namespace {

class DecoderTest : public testing::Test {
 protected:
  ~DecoderTest() override { cuda_emulation::refuse_recording(false); }

  struct World {
    explicit World(const ContextOptions& options = {.device = Device::cuda})
        : context(options),
          model(load_model(
              context, {.folder = test::source_dir() + "/models/reference", .dtype = DType::f32})),
          cache(context, model->config, model->config.layers, model->settings.window, DType::f32) {
      const model::ModelConfig& config = model->config;
      const Shape raw{config.kv_heads, model->settings.window, config.head_dim};
      k = Tensor::zeros(raw, DType::f32, Device::cuda);
      v = Tensor::zeros(raw, DType::f32, Device::cuda);
      logits = Tensor({1, config.vocab}, DType::f32, Device::cuda);
      decoder = std::make_unique<Decoder>(context, model,
                                          DecoderPlaces{.cache = &cache, .raw_k = k, .raw_v = v});
    }
    std::vector<float> step(int32_t id, int64_t position) {
      decoder->step({.id = id, .position = position, .measure = measure, .logits = logits});
      Tensor host(logits.shape(), DType::f32);
      ops::copy(context, logits, host);
      return {host.data<float>(), host.data<float>() + host.dim(1)};
    }
    /// Memory of so many tokens, all alike.
    void read_set(int64_t tokens) {
      const Shape shape{model->config.kv_heads, tokens, model->config.head_dim};
      const Tensor set = Tensor::zeros(shape, DType::f32, Device::cuda);
      decoder->read_set(set, set);
    }
    Context context;
    std::shared_ptr<const LoadedModel> model;
    backbone::KvCache cache;
    Tensor k, v, logits;
    std::unique_ptr<Decoder> decoder;
    bool measure = false;
  };
};

TEST_F(DecoderTest, TheSecondTokenIsRecordedAndTheThirdOnlyLaunched) {
  World world;
  world.step(7, 1);
  EXPECT_EQ(world.decoder->launched(), 0);
  world.step(8, 2);
  world.step(9, 3);
  EXPECT_EQ(world.decoder->launched(), 2);
}

TEST_F(DecoderTest, WhatCannotBeRecordedIsDoneAsItIs) {
  World recorded;
  World refused;
  for (int32_t i = 1; i < 4; ++i) {
    const std::vector<float> want = recorded.step(10 * i, i);
    cuda_emulation::refuse_recording(true);
    EXPECT_EQ(refused.step(10 * i, i), want) << i;
    cuda_emulation::refuse_recording(false);
  }
  EXPECT_EQ(recorded.decoder->launched(), 2);
  EXPECT_EQ(refused.decoder->launched(), 0) << "nor tried again";
}

TEST_F(DecoderTest, OtherMemoryOtherPlansAndMovedScratchAreRecordedAnew) {
  World world;
  int64_t launched = 0;
  int64_t position = 0;
  const auto two_steps = [&](bool anew, const char* why) {
    for (int i = 0; i < 2; ++i) world.step(7, ++position);
    EXPECT_EQ(world.decoder->launched(), launched += anew ? 1 : 2) << why;
  };
  two_steps(true, "the first of all is never a launch");
  two_steps(false, "nothing changed");
  world.read_set(32);
  two_steps(true, "memory");
  world.read_set(32);
  two_steps(false, "other memory of the same size");
  world.read_set(48);
  two_steps(true, "more memory");
  world.measure = true;
  two_steps(true, "attention is measured");
  world.context.scratch("a name that nobody has", {4}, DType::f32);
  two_steps(true, "scratch memory was allocated");
  world.decoder->read_set({}, {});
  two_steps(true, "no memory");
  position = 126;
  two_steps(true, "attention is cut otherwise");
  two_steps(false, "nothing changed");
}

TEST_F(DecoderTest, WhatWasMeasuredIsOfTheSetThatIsRead) {
  World world;
  world.measure = true;
  world.read_set(32);
  for (int32_t i = 1; i < 5; ++i) world.step(5, i);
  const int64_t rows = world.decoder->probe().rows;
  EXPECT_EQ(rows, 4 * world.model->config.heads * world.model->side_net->reading_layer_count());
  const auto mass = [&] {
    Tensor host({32}, DType::f32);
    ops::copy(world.context, world.decoder->probe().mass[0], host);
    double sum = 0.0;
    for (int64_t i = 0; i < 32; ++i) sum += host.data<float>()[i];
    return sum;
  };
  EXPECT_GT(mass(), 0.1 * static_cast<double>(rows));
  world.measure = false;
  const double before = mass();
  world.step(5, 5);
  EXPECT_EQ(mass(), before);
  world.read_set(32);
  EXPECT_EQ(mass(), 0.0);
  EXPECT_EQ(world.decoder->probe().rows, 0);
}

}  // namespace
}  // namespace memlong::engine
