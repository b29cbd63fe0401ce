#include "tools/memlong-bench/network.h"

#include <algorithm>
#include <array>
#include <random>
#include <utility>

#include "common/error.h"
#include "engine/loaded_model.h"
#include "model/config.h"
#include "ops/copy.h"
#include "tools/memlong-bench/shapes.h"

namespace memlong::bench_tool {
namespace {

constexpr uint64_t kSeed = 1;

std::shared_ptr<const backbone::LlamaWeights> random_weights(Context& context,
                                                             const model::ModelConfig& config,
                                                             DType dtype, int64_t window) {
  const auto random = [&](int64_t layers, int64_t vocab) {
    model::ModelConfig part = config;
    part.layers = layers;
    part.vocab = vocab;
    return std::pair{part, std::make_shared<const model::WeightStore>(
                               model::WeightStore::random(part, dtype, kSeed))};
  };
  const auto [ends, ends_store] = random(0, config.vocab);
  auto weights = std::make_shared<backbone::LlamaWeights>(
      *backbone::load_weights(context, ends_store, ends, dtype, window));
  weights->config = config;
  const auto [one, one_store] = random(1, 1);
  for (int64_t layer = 0; layer < config.layers; ++layer) {
    weights->blocks.push_back(
        backbone::load_weights(context, one_store, one, dtype, window)->blocks.at(0));
  }
  return weights;
}

}  // namespace

Network open_network(Context& context, const tools::CommonOptions& common, const std::string& shape,
                     int64_t window) {
  Network network;
  network.random = !shape.empty();
  tools::CommonOptions options = common;
  if (network.random) options.model = shape;  // a name that no folder of settings has
  network.name = network.random ? shape : common.model.lexically_normal().filename().string();
  if (network.name.empty()) network.name = common.model.parent_path().filename().string();
  network.config = network.random ? shape_config(shape) : model::load_config(common.model);
  network.settings = tools::resolve_settings(options, network.config);
  network.window = std::max(window, network.settings.window);
  const DType dtype = tools::compute_dtype(common);
  if (!network.random) {
    const auto model = engine::load_model(context, {.folder = common.model,
                                                    .settings = network.settings,
                                                    .dtype = dtype,
                                                    .positions = network.window,
                                                    .packed_cache = tools::packed_cache(common)});
    network.weights = model->weights;
    network.writer = model->writer;
    network.side_net = model->side_net;
    return network;
  }
  const int64_t layer = network.settings.memory_layer;
  network.weights = random_weights(context, network.config, dtype, network.window);
  network.writer = std::make_shared<backbone::Writer>(network.weights, layer);
  network.side_net =
      std::make_shared<sidenet::SideNet>(network.weights, layer, network.settings.reading_layers);
  return network;
}

std::vector<int32_t> random_ids(const Network& network, int64_t count) {
  std::mt19937 random(7);
  std::uniform_int_distribution<int32_t> any(0, static_cast<int32_t>(network.config.vocab - 1));
  std::vector<int32_t> ids(static_cast<size_t>(count));
  for (int32_t& id : ids) id = any(random);
  return ids;
}

Tensor random_tensor(Context& context, const Shape& shape, DType dtype) {
  const Tensor numbers(shape, DType::f32);
  std::mt19937 random(kSeed);
  std::normal_distribution<float> normal;
  std::generate_n(numbers.data<float>(), numbers.view().elements(), [&] { return normal(random); });
  return ops::convert(context, numbers, dtype);
}

MemorySet random_memory(Context& context, const Network& network, int64_t tokens) {
  if (tokens == 0) return {};
  const Shape shape{network.config.kv_heads, tokens, network.config.head_dim};
  const DType dtype = network.weights->dtype;
  return {.k = random_tensor(context, shape, dtype), .v = random_tensor(context, shape, dtype)};
}

std::shared_ptr<engine::LoadedModel> network_model(const Network& network) {
  auto model = std::make_shared<engine::LoadedModel>();
  model->config = network.config;
  model->settings = network.settings;
  model->settings.window_bos = network.settings.window_bos && network.config.bos >= 0;
  model->store = network.weights->store;
  model->weights = network.weights;
  model->writer = network.writer;
  model->side_net = network.side_net;
  model->writer_hash = "bench";
  return model;
}

Pass::Pass(Context& context, const Network& network)
    : context_(context),
      network_(network),
      cache_(context, network.config, network.config.layers, network.window,
             network.weights->dtype) {
  context.activate();
  logits_ = Tensor({1, network.config.vocab}, DType::f32, context.device());
  if (context.device() == Device::cpu) return;
  decoder_ = std::make_unique<engine::Decoder>(context, network_model(network),
                                               engine::DecoderPlaces{.cache = &cache_});
}

void Pass::run(std::span<const int32_t> ids, int64_t offset, const MemorySet& memory) {
  const auto rows = static_cast<int64_t>(ids.size());
  const TensorView x = context_.scratch("bench.x", {rows, network_.config.hidden}, DType::f32);
  const std::array<ops::MemorySegment, 1> segments = {
      {{.begin = 0, .end = rows, .k = memory.k, .v = memory.v}}};
  network_.writer->forward(context_, ids, cache_, offset, x);
  sidenet::SideNetCall call{.x = x, .offset = offset};
  if (!memory.k.empty()) call.memory = segments;
  network_.side_net->forward(context_, cache_, call);
  network_.side_net->logits(context_, x.slice(0, rows - 1, rows), logits_);
  context_.synchronize();
}

void Pass::read_set(const MemorySet& memory) {
  set_ = memory;
  if (decoder_ != nullptr) decoder_->read_set(memory.k, memory.v);
  context_.synchronize();
}

void Pass::next(int32_t id, int64_t offset) {
  if (decoder_ == nullptr || offset == 0) return run(std::span(&id, 1), offset, set_);
  decoder_->step({.id = id, .position = offset, .logits = logits_});
  context_.synchronize();
}

}  // namespace memlong::bench_tool
