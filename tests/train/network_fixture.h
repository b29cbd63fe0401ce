// Small networks and batches for the tests of train::Network.
#pragma once

#include <cmath>
#include <cstdint>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "model/config.h"
#include "model/memory_settings.h"
#include "model/weights.h"
#include "ops/copy.h"
#include "tensor/context.h"
#include "train/network.h"

namespace memlong::train {

/// Four layers, memory layer 1, layers 1 and 3 read.
inline model::ModelConfig small_config() {
  model::ModelConfig config;
  config.architecture = "LlamaForCausalLM";
  config.layers = 4;
  config.hidden = 32;
  config.ffn = 48;
  config.heads = 4;
  config.kv_heads = 2;
  config.head_dim = 8;
  config.vocab = 61;
  config.max_positions = 64;
  return config;
}

inline model::MemorySettings small_settings() {
  model::MemorySettings settings;
  settings.memory_layer = 1;
  settings.reading_layers = {1, 3};
  settings.chunk = 4;
  settings.window = 64;
  settings.overlap = 16;
  settings.window_bos = false;
  return settings;
}

/// Values in [-bound, bound).
inline void fill_random(const TensorView& x, float bound, uint64_t seed) {
  std::mt19937_64 random(seed);
  for (int64_t i = 0; i < x.elements(); ++i) {
    x.data<float>()[i] = bound * (static_cast<float>(random() >> 40) * 0x1p-23F - 1.0F);
  }
}

/// Weights large enough that every part of the network matters.
inline std::shared_ptr<model::WeightStore> small_store(const model::ModelConfig& config) {
  auto store =
      std::make_shared<model::WeightStore>(model::WeightStore::random(config, DType::f32, 1));
  uint64_t seed = 1;
  for (const auto& [name, shape] : model::tensor_shapes(config)) {
    Tensor tensor(shape, DType::f32);
    fill_random(tensor, shape.rank() == 1 ? 0.5F : 0.4F, ++seed);
    if (name.ends_with("norm.weight")) {
      for (int64_t i = 0; i < shape[0]; ++i) tensor.data<float>()[i] += 1.0F;
    }
    store->replace(name, tensor);
  }
  return store;
}

inline std::vector<int32_t> small_ids(int64_t count, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::vector<int32_t> ids;
  for (int64_t i = 0; i < count; ++i) ids.push_back(static_cast<int32_t>(random() % 61));
  return ids;
}

/// Targets are the ids that follow; the last row has none.
inline Sequence make_sequence(std::vector<int32_t> ids) {
  Sequence sequence;
  sequence.targets.assign(ids.begin() + 1, ids.end());
  sequence.targets.push_back(-1);
  sequence.weights.assign(ids.size(), 1.0F);
  sequence.ids = std::move(ids);
  return sequence;
}

/// A constant chunk of the small model.
inline MemoryPart constant_part(int64_t tokens, uint64_t seed) {
  MemoryPart part;
  part.k = Tensor({2, tokens, 8}, DType::f32);
  part.v = Tensor({2, tokens, 8}, DType::f32);
  fill_random(part.k, 2.0F, seed);
  fill_random(part.v, 2.0F, seed + 1);
  return part;
}

/// Two sequences of different lengths. Both read the first past, one of them twice; constant parts
/// lie between those of the pasts; some rows read nothing, some count more, some have no target.
inline Batch small_batch() {
  Batch batch;
  batch.pasts.push_back({small_ids(11, 1), 0});
  batch.pasts.push_back({small_ids(6, 2), 5});
  const MemoryPart first{0, 2, 9, {}, {}};
  const MemoryPart second{1, 0, 6, {}, {}};
  Sequence a = make_sequence(small_ids(13, 3));
  a.position = 20;
  a.segments.push_back({2, 6, {first, constant_part(3, 7)}});
  a.segments.push_back({6, 13, {first, second}});
  a.weights[4] = 3.0F;
  a.targets[5] = -1;
  Sequence b = make_sequence(small_ids(9, 4));
  b.segments.push_back({0, 7, {first, second}});
  b.segments.push_back({7, 9, {constant_part(5, 9)}});
  b.weights[2] = 0.0F;
  batch.sequences = {a, b};
  return batch;
}

inline std::unique_ptr<Network> small_network(Context& context, const model::ModelConfig& config,
                                              const NetworkOptions& options) {
  return std::make_unique<Network>(context, small_store(config), config, small_settings(), options);
}

}  // namespace memlong::train
