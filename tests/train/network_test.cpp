#include "train/network.h"

#include <cstring>
#include <set>
#include <string>

#include <gtest/gtest.h>

#include "backbone/kv_cache.h"
#include "backbone/writer.h"
#include "common/error.h"
#include "engine/encoder.h"
#include "sidenet/side_net.h"
#include "support/reference_model.h"
#include "train/network_fixture.h"

namespace memlong::train {
namespace {

bool same_bits(const TensorView& a, const TensorView& b) {
  const Tensor x = Tensor::copy_of(a);
  const Tensor y = Tensor::copy_of(b);
  return a.shape() == b.shape() && a.dtype() == b.dtype() &&
         std::memcmp(x.view().raw(), y.view().raw(), x.bytes()) == 0;
}

/// |a - b| / |b| over the gradients of all parameters.
double gradient_error(Network& a, Network& b) {
  double difference = 0.0;
  double norm = 0.0;
  for (size_t p = 0; p < b.parameters().size(); ++p) {
    const float* x = a.parameters()[p].gradient.data<float>();
    const float* y = b.parameters()[p].gradient.data<float>();
    for (int64_t i = 0; i < b.parameters()[p].gradient.view().elements(); ++i) {
      difference += static_cast<double>(x[i] - y[i]) * static_cast<double>(x[i] - y[i]);
      norm += static_cast<double>(y[i]) * static_cast<double>(y[i]);
    }
  }
  return std::sqrt(difference / norm);
}

std::set<std::string> names(Network& network) {
  std::set<std::string> all;
  for (const Parameter& parameter : network.parameters()) all.insert(parameter.name);
  return all;
}

TEST(Network, RecomputingGivesTheSameBits) {
  Context context;
  for (const TrainPart part : {TrainPart::all, TrainPart::upper, TrainPart::lora}) {
    NetworkOptions options{.part = part};
    const auto kept = small_network(context, small_config(), options);
    options.recompute = true;
    const auto again = small_network(context, small_config(), options);
    const LossSums a = kept->forward_backward(context, small_batch(), 0.1F);
    const LossSums b = again->forward_backward(context, small_batch(), 0.1F);
    EXPECT_EQ(a.loss, b.loss);
    EXPECT_GT(again->flops(), kept->flops());
    for (size_t p = 0; p < kept->parameters().size(); ++p) {
      EXPECT_TRUE(same_bits(kept->parameters()[p].gradient, again->parameters()[p].gradient))
          << kept->parameters()[p].name;
    }
  }
}

TEST(Network, ThreadsDoNotChangeBits) {
  Context one({.threads = 1});
  Context three({.threads = 3});
  const auto a = small_network(one, small_config(), {.part = TrainPart::all});
  const auto b = small_network(three, small_config(), {.part = TrainPart::all});
  EXPECT_EQ(a->forward_backward(one, small_batch(), 1.0F).loss,
            b->forward_backward(three, small_batch(), 1.0F).loss);
  for (size_t p = 0; p < a->parameters().size(); ++p) {
    EXPECT_TRUE(same_bits(a->parameters()[p].gradient, b->parameters()[p].gradient))
        << a->parameters()[p].name;
  }
}

TEST(Network, ABatchIsTheSumOfItsSequences) {
  Context context;
  const NetworkOptions options{.part = TrainPart::all, .dtype = DType::f32};
  const auto together = small_network(context, small_config(), options);
  const auto apart = small_network(context, small_config(), options);
  const Batch both = small_batch();
  const LossSums sums = together->forward_backward(context, both, 0.5F);
  LossSums alone;
  for (const Sequence& sequence : both.sequences) {
    Batch one{both.pasts, {sequence}};
    alone += apart->forward_backward(context, one, 0.5F);
  }
  EXPECT_NEAR(sums.loss, alone.loss, 1e-5 * alone.loss);
  EXPECT_EQ(sums.targets, alone.targets);
  EXPECT_EQ(sums.targets, 12 - 1 + 8);
  EXPECT_DOUBLE_EQ(sums.weight, 12 - 1 + 2 + 8 - 1);
  EXPECT_NE(sums.plain_loss, sums.loss);
  EXPECT_LE(gradient_error(*together, *apart), 1e-5);
}

TEST(Network, EvaluatingGivesTheLossOfTraining) {
  Context context;
  for (const TrainPart part : {TrainPart::all, TrainPart::upper}) {
    const auto network = small_network(context, small_config(), {.part = part});
    const LossSums evaluated = network->evaluate(context, small_batch());
    for (const Parameter& parameter : network->parameters()) {
      const float* gradient = parameter.gradient.data<float>();
      EXPECT_TRUE(std::all_of(gradient, gradient + parameter.gradient.view().elements(),
                              [](float x) { return x == 0.0F; }));
    }
    EXPECT_EQ(evaluated.loss, network->forward_backward(context, small_batch(), 1.0F).loss);
  }
}

TEST(Network, CountsExactAnswers) {
  Context context;
  const auto network = small_network(context, small_config(), {.dtype = DType::f32});
  Batch batch;
  batch.sequences.push_back(make_sequence(small_ids(10, 5)));
  // What the network says greedily, row by row, becomes the target of three rows.
  Sequence& sequence = batch.sequences[0];
  for (const size_t row : {4U, 5U, 7U}) {
    for (int32_t id = 0; id < 61; ++id) {
      sequence.targets[row] = id;
      sequence.answers = {{static_cast<int64_t>(row), static_cast<int64_t>(row) + 1}};
      if (network->evaluate(context, batch).exact_answers == 1) break;
    }
  }
  sequence.targets[6] = -1;
  sequence.targets[8] = (sequence.targets[8] + 1) % 61;
  sequence.answers = {{4, 6}, {5, 8}, {3, 6}, {6, 7}};
  const LossSums sums = network->evaluate(context, batch);
  EXPECT_EQ(sums.answers, 4);
  EXPECT_EQ(sums.exact_answers, 2);
  EXPECT_EQ(sums.exact, (std::vector<std::vector<bool>>{{true, true, false, false}}));
}

TEST(Network, WriterHasNoParametersInUpperAndLora) {
  Context context;
  const model::ModelConfig config = small_config();
  const auto store = small_store(config);
  const auto writer = model::writer_tensor_names(*store, small_settings().memory_layer);
  for (const TrainPart part : {TrainPart::upper, TrainPart::lora}) {
    for (const bool memory_layer : {true, false}) {
      NetworkOptions options{.part = part, .memory_layer = memory_layer};
      options.lora.targets = {"q_proj", "k_proj", "v_proj", "down_proj"};
      const auto network = small_network(context, config, options);
      const std::set<std::string> there = names(*network);
      EXPECT_FALSE(there.empty());
      for (const std::string& name : writer) {
        EXPECT_EQ(there.count(name), 0U) << name;
        const std::string layer = name.substr(0, name.rfind('.'));
        EXPECT_EQ(there.count(layer + ".lora_A.weight"), 0U) << name;
      }
      const std::string q = "model.layers.1.self_attn.q_proj";
      const std::string tail = part == TrainPart::lora ? ".lora_B.weight" : ".weight";
      EXPECT_EQ(there.count(q + tail), memory_layer ? 1U : 0U);
      EXPECT_EQ(there.count("lm_head.weight"), part == TrainPart::upper ? 1U : 0U);
      EXPECT_EQ(there.count("model.norm.weight"), 1U);
    }
  }
  const auto all = small_network(context, config, {.part = TrainPart::all});
  for (const std::string& name : writer) EXPECT_EQ(names(*all).count(name), 1U) << name;
}

TEST(Network, LoraStartsAsTheBase) {
  Context context;
  const auto upper = small_network(context, small_config(), {.dtype = DType::f32});
  const auto lora =
      small_network(context, small_config(), {.part = TrainPart::lora, .dtype = DType::f32});
  EXPECT_EQ(lora->evaluate(context, small_batch()).loss,
            upper->evaluate(context, small_batch()).loss);
  for (const Parameter& parameter : lora->parameters()) {
    if (!parameter.name.ends_with("lora_A.weight")) continue;
    const auto bound = static_cast<float>(1.0 / std::sqrt(parameter.value.dim(1)));
    const float* a = parameter.value.data<float>();
    const auto [low, high] = std::minmax_element(a, a + parameter.value.view().elements());
    EXPECT_GE(*low, -bound);
    EXPECT_LE(*high, bound);
    EXPECT_GT(*high - *low, 1.8F * bound);
  }
}

TEST(Network, MergedWeightsGiveTheSameLogits) {
  Context context;
  NetworkOptions options{.part = TrainPart::lora, .dtype = DType::f32};
  options.lora.targets = {"q_proj", "k_proj", "o_proj", "up_proj", "down_proj"};
  for (const TrainPart part : {TrainPart::lora, TrainPart::upper, TrainPart::all}) {
    options.part = part;
    const auto network = small_network(context, small_config(), options);
    uint64_t seed = 50;
    for (Parameter& parameter : network->parameters()) {
      fill_random(parameter.value, 0.3F, ++seed);
    }
    network->refresh(context);
    Batch batch;
    batch.sequences.push_back(make_sequence(small_ids(20, 6)));
    batch.sequences[0].segments.push_back({0, 20, {constant_part(5, 9)}});
    const double want = network->evaluate(context, batch).loss;

    const auto weights = network->merged_weights(context);
    const model::MemorySettings settings = small_settings();
    const backbone::Writer writer(weights, settings.memory_layer);
    const sidenet::SideNet side_net(weights, settings.memory_layer, settings.reading_layers);
    backbone::KvCache cache(weights->config, 4, 20, DType::f32);
    const Tensor x({20, 32}, DType::f32);
    const Tensor logits({20, 61}, DType::f32);
    const MemoryPart& memory = batch.sequences[0].segments[0].parts[0];
    const std::vector<ops::MemorySegment> segments = {{0, 20, memory.k, memory.v}};
    writer.forward(context, batch.sequences[0].ids, cache, 0, x);
    side_net.forward(context, cache, {.x = x, .memory = segments});
    side_net.logits(context, x, logits);
    double loss = 0.0;
    for (int64_t t = 0; t < 19; ++t) {
      const float* row = logits.data<float>() + t * 61;
      double sum = 0.0;
      for (int64_t i = 0; i < 61; ++i) sum += std::exp(static_cast<double>(row[i]));
      const auto target = static_cast<size_t>(t);
      loss += std::log(sum) - static_cast<double>(row[batch.sequences[0].targets[target]]);
    }
    EXPECT_NEAR(loss, want, 1e-5 * want);
  }
}

TEST(Network, WritesWhatIngestWrites) {
  Context context;
  for (const DType dtype : {DType::bf16, DType::f32}) {
    const auto model = test::reference_model(context, dtype);
    Network network(context, model->store, model->config, model->settings, {.dtype = dtype});
    std::vector<int32_t> ids;
    for (int32_t i = 0; i < model->settings.window; ++i) ids.push_back(3 + i * i % 4000);
    Batch batch;
    batch.sequences.push_back(make_sequence({5, 6, 7, 8}));
    batch.sequences.push_back(make_sequence(ids));
    network.forward_backward(context, batch, 1.0F);
    const WrittenMemory written = network.written(1);
    const WrittenMemory alone = network.write(context, ids);
    EXPECT_TRUE(same_bits(written.k, alone.k));
    EXPECT_TRUE(same_bits(written.v, alone.v));

    const auto embedder = engine::make_embedder(context, *model);
    int64_t chunks = 0;
    engine::Encoder encoder(context, model, embedder, dtype, [&](engine::EncodedChunk&& chunk) {
      const int64_t end = chunk.begin + chunk.k.dim(1);
      EXPECT_TRUE(same_bits(chunk.k, written.k.view().slice(1, chunk.begin, end)));
      EXPECT_TRUE(same_bits(chunk.v, written.v.view().slice(1, chunk.begin, end)));
      ++chunks;
    });
    encoder.begin();
    encoder.push(ids);
    encoder.finish();
    EXPECT_EQ(chunks, model->settings.window / 64);
  }
}

TEST(Network, WholeNetworkWritesToo) {
  Context context;
  const auto network = small_network(context, small_config(), {.part = TrainPart::all});
  Batch batch;
  batch.sequences.push_back(make_sequence(small_ids(12, 5)));
  network->evaluate(context, batch);
  const WrittenMemory written = network->written(0);
  EXPECT_EQ(written.k.shape(), (Shape{2, 12, 8}));
  const WrittenMemory alone = network->write(context, batch.sequences[0].ids);
  EXPECT_TRUE(same_bits(written.k, alone.k));
  EXPECT_TRUE(same_bits(written.v, alone.v));
}

TEST(Network, RefusesWhatDoesNotFit) {
  Context context;
  const auto network = small_network(context, small_config(), {.part = TrainPart::all});
  Batch batch = small_batch();
  batch.sequences[0].position = 52;
  EXPECT_THROW(network->evaluate(context, batch), Error);
  batch = small_batch();
  batch.sequences[1].segments[0].parts[0].past = 2;
  EXPECT_THROW(network->evaluate(context, batch), Error);
  batch = small_batch();
  batch.sequences[1].targets.pop_back();
  EXPECT_THROW(network->evaluate(context, batch), Error);
  NetworkOptions options{.part = TrainPart::lora};
  options.lora.targets = {"query"};
  EXPECT_THROW(small_network(context, small_config(), options), Error);
}

}  // namespace
}  // namespace memlong::train
