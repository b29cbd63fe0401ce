#include "engine/memory_plan.h"

#include <gmock/gmock.h>

#include "backbone/kv_cache.h"
#include "backbone/weights.h"
#include "common/error.h"
#include "model/weights.h"

namespace memlong::engine {
namespace {

using testing::HasSubstr;

model::ModelConfig llama_3b() {
  model::ModelConfig config;
  config.layers = 26;
  config.hidden = 3200;
  config.ffn = 8640;
  config.heads = config.kv_heads = 32;
  config.head_dim = 100;
  config.vocab = 32000;
  return config;
}

model::ModelConfig tiny() {
  model::ModelConfig config;
  config.layers = 3;
  config.hidden = 32;
  config.ffn = 48;
  config.heads = 4;
  config.kv_heads = 2;
  config.head_dim = 8;
  config.vocab = 40;
  return config;
}

model::MemorySettings settings_of(const model::ModelConfig& config) {
  model::MemorySettings settings;
  settings.memory_layer = config.layers / 2;
  for (int64_t layer = settings.memory_layer; layer < config.layers; ++layer) {
    settings.reading_layers.push_back(layer);
  }
  return settings;
}

int64_t bytes_of(const MemoryPlan& plan, const std::string& name) {
  for (const MemoryPart& part : plan.parts) {
    if (part.name == name) return part.bytes;
  }
  return -1;
}

constexpr MemoryPlanOptions kGpu{.device = Device::cuda};

TEST(MemoryPlan, AModelOf3BFitsA24GbCardAndNotAnOldOne) {
  const model::ModelConfig config = llama_3b();
  const MemoryPlan plan = plan_memory(config, settings_of(config), kGpu);
  // 3 426 473 600 parameters of two bytes, norms of four.
  EXPECT_NEAR(static_cast<double>(bytes_of(plan, "weights")), 6.853e9, 0.002e9);
  EXPECT_EQ(bytes_of(plan, "K-V cache"), int64_t{28} * 2048 * 2 * 32 * 100 * 2);
  EXPECT_EQ(bytes_of(plan, "retrieved chunks"), int64_t{2} * 18 * 8 * 128 * 2 * 32 * 100 * 2);
  EXPECT_LT(plan.bytes(), int64_t{9} << 30);
  EXPECT_NO_THROW(check_plan(plan, "cuda:0", int64_t{23} << 30, 0));
  try {
    check_plan(plan, "cuda:0 (NVIDIA T)", int64_t{6} << 30, 0);
    FAIL() << "8 GiB do not fit into 6";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::capacity);
    EXPECT_THAT(error.what(), HasSubstr("are needed on cuda:0 (NVIDIA T) (weights: 6.38 GiB)"));
    EXPECT_THAT(error.what(), HasSubstr("6.00 GiB are free; lower --window, --memory-top-k, or"));
  }
}

TEST(MemoryPlan, RecentChunksAreNamedWhereTheyAreMoreThanThoseThatAreFound) {
  const model::ModelConfig config = llama_3b();
  model::MemorySettings settings = settings_of(config);
  const int64_t found = bytes_of(plan_memory(config, settings, kGpu), "retrieved chunks");
  settings.recent_chunks = 24;  // of 32
  const MemoryPlan plan = plan_memory(config, settings, kGpu);
  EXPECT_EQ(bytes_of(plan, "retrieved chunks"), 4 * found);
  try {
    check_plan(plan, "cuda:0", int64_t{6} << 30, 0);
    FAIL() << "7 GiB do not fit into 6";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("--recent-chunks"));
    EXPECT_THAT(error.what(), Not(HasSubstr("--memory-top-k")));
  }
}

TEST(MemoryPlan, TheUsersLimitIsNamedWhereItIsTheNarrowerOne) {
  const model::ModelConfig config = llama_3b();
  const MemoryPlan plan = plan_memory(config, settings_of(config), kGpu);
  const int64_t free = int64_t{80} << 30;
  EXPECT_NO_THROW(check_plan(plan, "cuda:0", free, plan.bytes()));
  try {
    check_plan(plan, "cuda:0", free, int64_t{4} << 30);
    FAIL() << "the limit";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("4.00 GiB are allowed by --max-gpu-memory"));
  }
  EXPECT_THROW(check_plan(plan, "cuda:0", plan.bytes() - 1, int64_t{90} << 30), Error);
}

TEST(MemoryPlan, IngestNeedsTheWriterAlone) {
  const model::ModelConfig config = llama_3b();
  const model::MemorySettings settings = settings_of(config);
  MemoryPlanOptions options = kGpu;
  options.writer_only = true;
  const MemoryPlan one = plan_memory(config, settings, options);
  EXPECT_EQ(bytes_of(one, "retrieved chunks"), -1);
  EXPECT_LT(bytes_of(one, "weights"), bytes_of(plan_memory(config, settings, kGpu), "weights"));
  EXPECT_EQ(bytes_of(one, "K-V cache"), int64_t{3} * 2048 * 2 * 32 * 100 * 2)
      << "a layer's, and twice those that go down";
  options.windows = 4;
  const MemoryPlan four = plan_memory(config, settings, options);
  EXPECT_EQ(bytes_of(four, "K-V cache"), 4 * bytes_of(one, "K-V cache"));
  EXPECT_EQ(bytes_of(four, "activations"), 4 * bytes_of(one, "activations"));
  EXPECT_EQ(bytes_of(four, "weights"), bytes_of(one, "weights"));
}

TEST(MemoryPlan, TextsBesideDialogsNeedWhatAnIngestOfOneWindowNeeds) {
  const model::ModelConfig config = llama_3b();
  const model::MemorySettings settings = settings_of(config);
  MemoryPlanOptions options = kGpu;
  const int64_t alone = plan_memory(config, settings, options).bytes();
  options.dialogs = 4;
  const int64_t dialogs = plan_memory(config, settings, options).bytes();
  options.takes_texts = true;
  const MemoryPlan both = plan_memory(config, settings, options);
  options = kGpu;
  options.writer_only = true;
  const MemoryPlan ingest = plan_memory(config, settings, options);
  EXPECT_GT(dialogs, alone);
  EXPECT_EQ(bytes_of(both, "texts"), ingest.bytes() - bytes_of(ingest, "weights"));
  EXPECT_EQ(both.bytes(), dialogs + bytes_of(both, "texts"));
}

TEST(MemoryPlan, WhatIsLeftOpenIsChosenSoThatItFits) {
  const model::ModelConfig config = llama_3b();
  const model::MemorySettings settings = settings_of(config);
  const auto choose = [&](MemoryPlanOptions options, int64_t room) {
    return choose_open(config, settings, options, room);
  };
  const MemoryPlanOptions ingest{.device = Device::cuda, .writer_only = true, .windows = 0};
  const int64_t plenty = int64_t{80} << 30;
  EXPECT_EQ(choose(ingest, plenty).windows, 4) << "8192 rows";
  MemoryPlanOptions two = ingest;
  two.windows = 2;
  const int64_t room = plan_memory(config, settings, two).bytes();
  EXPECT_EQ(choose(ingest, room).windows, 2);
  EXPECT_EQ(choose(ingest, room - 1).windows, 1);
  EXPECT_EQ(choose(ingest, 0).windows, 1) << "check_plan says that it does not fit";
  EXPECT_EQ(choose(two, 0).windows, 2) << "what was asked for stays";
  EXPECT_EQ(choose(ingest, plenty).cached_chunks, 0);

  MemoryPlanOptions chat = kGpu;
  chat.cached_chunks = -1;
  EXPECT_EQ(choose(chat, plenty).cached_chunks, 16 * settings.top_k);
  chat.cached_chunks = 32;
  const int64_t less = plan_memory(config, settings, chat).bytes();
  EXPECT_EQ(choose(chat, 0).cached_chunks, 32);
  chat.cached_chunks = -1;
  EXPECT_EQ(choose(chat, less).cached_chunks, 32);
  EXPECT_EQ(choose(chat, 0).cached_chunks, 0);
  chat.use_memory = false;
  EXPECT_EQ(choose(chat, plenty).cached_chunks, 0);

  const MemoryPlanOptions cpu{.writer_only = true, .windows = 0, .cached_chunks = -1};
  EXPECT_EQ(choose(cpu, plenty).windows, 1);
  EXPECT_EQ(choose(cpu, plenty).cached_chunks, 0);
}

/// What is loaded for the memory of a device, counted tensor by tensor.
int64_t loaded_bytes(const backbone::LlamaWeights& weights) {
  size_t bytes = weights.final_norm.bytes() + weights.rope.cos().bytes() * 2;
  const auto add = [&](const ops::PackedWeight& packed) {
    bytes += static_cast<size_t>(packed.in_features() * packed.out_features()) *
             dtype_size(packed.dtype());
  };
  add(weights.head);
  for (const backbone::BlockWeights& block : weights.blocks) {
    for (const auto* packed : {&block.q, &block.kv, &block.o, &block.gate_up, &block.down}) {
      if (!packed->empty()) add(*packed);
    }
    for (const Tensor* vector : {&block.input_norm, &block.post_norm, &block.q_bias, &block.kv_bias,
                                 &block.o_bias, &block.gate_up_bias, &block.down_bias}) {
      bytes += vector->bytes();
    }
  }
  return static_cast<int64_t>(bytes);
}

TEST(MemoryPlan, AgreesWithWhatIsLoaded) {
  Context context({.threads = 1});
  for (const bool biased : {false, true}) {
    for (const bool tied : {false, true}) {
      model::ModelConfig config = tiny();
      config.tied_head = tied;
      config.qkv_bias = config.o_bias = config.mlp_bias = biased;
      model::MemorySettings settings = settings_of(config);
      settings.window = 64;
      const auto store = std::make_shared<const model::WeightStore>(
          model::WeightStore::random(config, DType::bf16, 1));
      for (const DType dtype : {DType::f32, DType::bf16}) {
        for (const bool writer : {false, true}) {
          MemoryPlanOptions options{.dtype = dtype, .writer_only = writer};
          const auto weights = backbone::load_weights(context, store, config, dtype, 64,
                                                      writer ? settings.memory_layer : -1);
          const MemoryPlan plan = plan_memory(config, settings, options);
          EXPECT_EQ(bytes_of(plan, "weights"), loaded_bytes(*weights));
          options.device = Device::cuda;
          EXPECT_EQ(bytes_of(plan_memory(config, settings, options), "weights"),
                    loaded_bytes(*weights) + config.vocab * config.hidden * 2);
        }
      }
    }
  }
}

TEST(MemoryPlan, AgreesWithTheCacheOfAStream) {
  const model::ModelConfig config = tiny();
  const model::MemorySettings settings = settings_of(config);
  const backbone::KvCache cache(config, config.layers, settings.window, DType::bf16);
  const Tensor raw({2, config.kv_heads, settings.window, config.head_dim}, DType::bf16);
  EXPECT_EQ(bytes_of(plan_memory(config, settings, {}), "K-V cache"),
            static_cast<int64_t>(cache.bytes() + raw.bytes()));
}

TEST(MemoryPlan, ThePartsFollowFromTheirOptions) {
  const model::ModelConfig config = llama_3b();
  const model::MemorySettings settings = settings_of(config);
  model::MemorySettings changed = settings;
  changed.top_k = 16;
  EXPECT_EQ(bytes_of(plan_memory(config, changed, kGpu), "retrieved chunks"),
            2 * bytes_of(plan_memory(config, settings, kGpu), "retrieved chunks"));
  MemoryPlanOptions wide = kGpu;
  wide.dtype = wide.stored = DType::f32;
  EXPECT_EQ(bytes_of(plan_memory(config, settings, wide), "K-V cache"),
            2 * bytes_of(plan_memory(config, settings, kGpu), "K-V cache"));
  MemoryPlanOptions keeping = kGpu;
  keeping.cached_chunks = 100;
  EXPECT_EQ(bytes_of(plan_memory(config, settings, keeping), "chunks kept at hand"),
            int64_t{100} * 128 * 2 * 32 * 100 * 2);
  MemoryPlanOptions many = keeping;
  many.dialogs = 5;
  for (const char* part : {"K-V cache", "chunks kept at hand"}) {
    EXPECT_EQ(bytes_of(plan_memory(config, settings, many), part),
              5 * bytes_of(plan_memory(config, settings, keeping), part));
  }
  const int64_t set = bytes_of(plan_memory(config, settings, {}), "retrieved chunks") / 17;
  EXPECT_EQ(bytes_of(plan_memory(config, settings, {.dialogs = 5}), "retrieved chunks"), 21 * set)
      << "one for each segment of a window that is read, and what each other dialog holds";
  EXPECT_EQ(bytes_of(plan_memory(config, settings, many), "activations"),
            bytes_of(plan_memory(config, settings, keeping), "activations"));
  EXPECT_EQ(bytes_of(plan_memory(config, settings, {}), "workspace"), -1) << "none on the CPU";
  EXPECT_GT(bytes_of(plan_memory(config, settings, kGpu), "workspace"), 0);
}

}  // namespace
}  // namespace memlong::engine
