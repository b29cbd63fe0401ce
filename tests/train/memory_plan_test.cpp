#include "train/memory_plan.h"

#include <algorithm>

#include <gmock/gmock.h>

#include "common/error.h"
#include "train/network_fixture.h"

namespace memlong::train {
namespace {

int64_t bytes_of(const engine::MemoryPlan& plan, const std::string& name) {
  for (const engine::MemoryPart& part : plan.parts) {
    if (part.name == name) return part.bytes;
  }
  return -1;
}

TEST(TrainingPlan, ParametersAreThoseOfTheNetwork) {
  Context context({.threads = 1});
  for (const TrainPart part : {TrainPart::upper, TrainPart::lora, TrainPart::all}) {
    for (const bool biased : {false, true}) {
      for (const bool memory_layer : {false, true}) {
        model::ModelConfig config = small_config();
        config.qkv_bias = config.o_bias = config.mlp_bias = biased;
        NetworkOptions options{.part = part, .memory_layer = memory_layer, .dtype = DType::f32};
        options.lora.rank = 3;
        const auto network = small_network(context, config, options);
        int64_t inner = 0;
        int64_t largest = 0;
        int64_t side = 0;
        for (const Parameter& p : network->parameters()) {
          const bool lora = p.name.find(".lora_") != std::string::npos;
          if (p.is_matrix() && p.name.starts_with("model.layers.") && !lora) {
            const Shape& shape = p.value.shape();
            inner += shape.elements();
            largest = std::max(largest, shape.elements());
            side = std::max(side, std::min(shape[0], shape[1]));
          }
        }
        const auto planned = [&](OptimizerKind kind, const char* name) {
          return bytes_of(plan_training(config, small_settings(),
                                        {.network = options, .optimizer = kind, .batch = {}}),
                          name);
        };
        const int64_t all = 16 * network->parameter_count();
        EXPECT_EQ(planned(OptimizerKind::adamw, "parameters"), all);
        EXPECT_EQ(planned(OptimizerKind::muon, "parameters"), all - 4 * inner);
        EXPECT_EQ(planned(OptimizerKind::adamw, "muon"), -1);
        EXPECT_EQ(planned(OptimizerKind::muon, "muon"), 6 * (largest + side * side));
      }
    }
  }
}

TEST(TrainingPlan, GrowsWithTheBatchAndShrinksWithRecompute) {
  TrainingPlanOptions options;
  options.batch = {.rows = 1000, .pasts = 0, .memory = 500, .kept = 700};
  const auto plan = [&] { return plan_training(small_config(), small_settings(), options); };
  const engine::MemoryPlan one = plan();
  options.batch.rows = 2000;
  EXPECT_EQ(bytes_of(plan(), "activations"), 2 * bytes_of(one, "activations"));
  options.network.recompute = true;
  EXPECT_LT(bytes_of(plan(), "activations"), 2 * bytes_of(one, "activations"));
  // Keys and values of 2 heads of 8, in bf16.
  EXPECT_EQ(bytes_of(one, "memory"), (500 + 700) * 2 * 2 * 8 * 2);
  EXPECT_GT(bytes_of(one, "weights"), 0);
  EXPECT_GT(bytes_of(one, "workspace"), 0);
  options.device = Device::cpu;
  EXPECT_EQ(bytes_of(plan(), "workspace"), -1);
  EXPECT_THAT([&] { engine::check_plan(one, "cuda:0", 1000, 0); },
              testing::ThrowsMessage<Error>(testing::HasSubstr("lower --rows, or use")));
}

TEST(TrainingPlan, TheWriterKeepsEveryLayerOfAWindow) {
  TrainingPlanOptions options;
  options.batch.rows = 128;
  model::MemorySettings settings = small_settings();
  const auto writer = [&] {
    return bytes_of(plan_training(small_config(), settings, options), "writer");
  };
  const int64_t one = writer();
  settings.memory_layer = 3;
  EXPECT_EQ(writer() - one, 2 * 64 * 2 * 2 * 8 * 2) << "layers, tokens, keys and values in bf16";
  options.network.part = TrainPart::all;
  EXPECT_EQ(writer(), -1) << "it is trained";
}

TEST(TrainingPlan, PastsReachTheMemoryLayer) {
  TrainingPlanOptions options;
  options.network = {.part = TrainPart::all, .recompute = true};
  options.batch = {.rows = 100, .pasts = 0, .memory = 100};
  const auto activations = [&] {
    return bytes_of(plan_training(small_config(), small_settings(), options), "activations");
  };
  const int64_t without = activations();
  options.batch.pasts = 100;
  // Inputs of layers 0 and 1, two in turn and the gradient; what layer 0 computes again; keys and
  // values of the memory layer.
  const int64_t input = 32 * 4;
  const int64_t block = input + (2 * 32 + 32 + 2 * 48) * 2 + 4 * 4;
  EXPECT_EQ(activations() - without, 100 * ((2 + 3) * input + block + 32 * 2));
}

TEST(TrainingPlan, ProductsBesideLoraAndWithABiasHaveSumsInF32) {
  TrainingPlanOptions options;
  options.batch.rows = 100;
  model::ModelConfig config = small_config();
  const auto gradients = [&] {
    return bytes_of(plan_training(config, small_settings(), options), "gradients of activations");
  };
  const int64_t plain = gradients();
  options.network.part = TrainPart::lora;
  options.network.lora = {.rank = 4, .targets = {"q_proj", "gate_proj", "down_proj"}};
  EXPECT_EQ(gradients() - plain, 100 * (2 * 48 * 4 + 48 * 4 + 2 * 4 * 2)) << "sum, dsum, inner";
  options.network.dtype = DType::f32;
  const int64_t wide = gradients();
  options.network.part = TrainPart::upper;
  EXPECT_EQ(wide - gradients(), 100 * 2 * 4 * 4) << "sums have a place already";
  options.network.dtype = DType::bf16;
  config.qkv_bias = true;
  EXPECT_EQ(gradients() - plain, 100 * 32 * 4);
  config.mlp_bias = true;
  EXPECT_EQ(gradients() - plain, 100 * 2 * 48 * 4);
  options.device = Device::cpu;
  EXPECT_EQ(gradients(), plain) << "added as the product is made";
}

}  // namespace
}  // namespace memlong::train
