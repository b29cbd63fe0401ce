#include "train/memory_plan.h"

#include <gmock/gmock.h>

#include "common/error.h"
#include "train/network_fixture.h"
#include "train/small_corpus.h"

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
        for (const Parameter& p : network->parameters()) {
          const bool lora = p.name.find(".lora_") != std::string::npos;
          if (p.is_matrix() && p.name.starts_with("model.layers.") && !lora) {
            inner += p.value.view().elements();
          }
        }
        const auto parameters = [&](OptimizerKind kind) {
          return bytes_of(plan_training(config, small_settings(),
                                        {.network = options, .optimizer = kind, .batch = {}}),
                          "parameters");
        };
        EXPECT_EQ(parameters(OptimizerKind::adamw), 16 * network->parameter_count());
        EXPECT_EQ(parameters(OptimizerKind::muon), 16 * network->parameter_count() - 4 * inner);
      }
    }
  }
}

TEST(TrainingPlan, ABatchIsAsLargeAsItsSourceMakesIt) {
  Document text;
  text.ids = small_ids(300, 1);
  const auto corpus = test::corpus_of({test::entry_of(DataKind::text, {text})});
  const model::MemorySettings settings = small_settings();
  DataOptions data;
  data.rows = 3;
  data.span = Schedule(20);
  data.past = Schedule(100);  // more than a window
  BatchExtent extent = batch_extent(data, settings, *corpus);
  EXPECT_EQ(extent.rows, 60);
  EXPECT_EQ(extent.pasts, 0);
  EXPECT_EQ(extent.memory, 0);
  data.form = ItemForm::pairs;
  data.distractors = Schedule(2);
  extent = batch_extent(data, settings, *corpus);
  EXPECT_EQ(extent.pasts, 3 * 64);
  EXPECT_EQ(extent.memory, 3 * 3 * 64);
  data.form = ItemForm::streams;
  extent = batch_extent(data, settings, *corpus);
  EXPECT_EQ(extent.rows, 3 * 64);
  EXPECT_EQ(extent.memory, 3 * 17 * settings.top_k * 4);
  EXPECT_EQ(extent.kept, 3 * 300);
  data.stretch = 200;
  EXPECT_EQ(batch_extent(data, settings, *corpus).kept, 3 * 200);
  data.memory_chunks = Schedule(10);
  EXPECT_EQ(batch_extent(data, settings, *corpus).kept, 3 * (40 + 64));
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

}  // namespace
}  // namespace memlong::train
