#include "train/memory_plan.h"

#include <algorithm>
#include <string>

#include "model/weights.h"

namespace memlong::train {
namespace {

using engine::MemoryPart;
using model::MemorySettings;
using model::ModelConfig;

constexpr int64_t kFloat = 4;
constexpr int64_t kWorkspaceBytes = int64_t{64} << 20;  // as in engine/memory_plan.cpp
constexpr int64_t kRowBlock = 16384;                    // backbone/train_block.cpp, on a GPU
constexpr int64_t kLogits = int64_t{1} << 26;           // train/loss.cpp, on a GPU

int64_t size_of(DType dtype) { return static_cast<int64_t>(dtype_size(dtype)); }

std::string count(int64_t n, const char* unit) { return std::to_string(n) + " " + unit + "s"; }

/// -1 for what belongs to no layer.
int64_t layer_of(const std::string& name) {
  constexpr std::string_view kLayers = "model.layers.";
  return name.starts_with(kLayers) ? std::stoll(name.substr(kLayers.size())) : -1;
}

bool writes(const std::string& name) {
  return name.find("input_layernorm") != std::string::npos ||
         name.find("k_proj") != std::string::npos || name.find("v_proj") != std::string::npos;
}

/// Elements that learn, and those of them that Muon takes; the largest of its matrices, and the
/// largest of their smaller sides.
struct Trained {
  int64_t elements = 0;
  int64_t inner = 0;
  int64_t largest = 0;
  int64_t side = 0;

  void add(const Shape& shape, bool matrix) {
    elements += shape.elements();
    if (!matrix) return;
    inner += shape.elements();
    largest = std::max(largest, shape.elements());
    side = std::max(side, std::min(shape[0], shape[1]));
  }
};

/// Whether the tensor, or a LoRA beside it, may learn.
bool open(const std::string& name, int64_t layer, const MemorySettings& settings,
          const NetworkOptions& network) {
  if (network.part == TrainPart::all) return true;
  if (layer < 0) {
    const bool head = name.starts_with("lm_head");
    return head ? network.part == TrainPart::upper && network.head : name.starts_with("model.norm");
  }
  if (layer > settings.memory_layer) return true;
  return layer == settings.memory_layer && network.memory_layer && !writes(name);
}

Trained trained(const ModelConfig& config, const MemorySettings& settings,
                const NetworkOptions& network) {
  Trained sum;
  for (const auto& [name, shape] : model::tensor_shapes(config)) {
    const int64_t layer = layer_of(name);
    if (!open(name, layer, settings, network)) continue;
    const bool matrix = shape.rank() == 2;
    if (network.part != TrainPart::lora) {
      sum.add(shape, matrix && layer >= 0);
    } else if (!matrix) {
      if (network.lora.norms && name.ends_with("norm.weight")) sum.add(shape, false);
    } else {
      for (const std::string& target : network.lora.targets) {
        if (name.ends_with(target + ".weight")) {
          sum.add({network.lora.rank, shape[0] + shape[1]}, false);
        }
      }
    }
  }
  return sum;
}

/// Values, gradients and the optimizer's moments, all f32.
MemoryPart parameters(const ModelConfig& config, const MemorySettings& settings,
                      const TrainingPlanOptions& options) {
  const Trained sum = trained(config, settings, options.network);
  const int64_t single = options.optimizer == OptimizerKind::muon ? sum.inner : 0;
  return {"parameters", std::to_string(sum.elements) + " with gradients and moments",
          (4 * sum.elements - single) * kFloat, ""};
}

/// One matrix after the other: it and its square, each in f32 and bf16 (ops/muon.cpp).
MemoryPart muon(const ModelConfig& config, const MemorySettings& settings,
                const TrainingPlanOptions& options) {
  const Trained sum = trained(config, settings, options.network);
  return {"muon", "its largest matrix",
          (sum.largest + sum.side * sum.side) * (kFloat + size_of(DType::bf16)), ""};
}

/// Of a part of what a frozen writer holds.
int64_t writer_bytes(const ModelConfig& config, const MemorySettings& settings,
                     const TrainingPlanOptions& options, const std::string& part) {
  const engine::MemoryPlan writer = engine::plan_memory(config, settings,
                                                        {.device = options.device,
                                                         .dtype = options.network.dtype,
                                                         .embedding = options.embedding,
                                                         .writer_only = true});
  const auto found = std::ranges::find(writer.parts, part, &MemoryPart::name);
  return found == writer.parts.end() ? 0 : found->bytes;
}

/// The longest row or column of a matrix within a block.
int64_t widest(const ModelConfig& config) {
  return std::max({config.hidden, config.heads * config.head_dim, config.ffn});
}

/// As products read them; a transpose shares its memory.
MemoryPart packed(const ModelConfig& config, const MemorySettings& settings,
                  const TrainingPlanOptions& options) {
  const bool all = options.network.part == TrainPart::all;
  const int64_t size = size_of(options.network.dtype);
  int64_t bytes = config.tied_head ? config.vocab * config.hidden * size : 0;
  for (const auto& [name, shape] : model::tensor_shapes(config)) {
    const int64_t layer = layer_of(name);
    if (name.starts_with("model.embed_tokens")) continue;
    if (!all && layer >= 0 && layer < settings.memory_layer) continue;
    bytes += shape.elements() * (shape.rank() > 1 ? size : kFloat);
  }
  if (!all) bytes += writer_bytes(config, settings, options, "weights");
  if (options.network.part == TrainPart::lora) {
    // Each factor for both directions, and one of them scaled.
    const int64_t factors = trained(config, settings, options.network).elements;
    bytes += 2 * factors * size + options.network.lora.rank * widest(config) * kFloat;
  }
  return {"weights", count(config.layers, "layer") + (all ? "" : " and the writer"), bytes, ""};
}

/// Below what is trained a window at a time, with keys and values of every layer.
MemoryPart writer(const ModelConfig& config, const MemorySettings& settings,
                  const TrainingPlanOptions& options) {
  const int64_t token = 2 * config.kv_heads * config.head_dim * size_of(options.network.dtype);
  const int64_t cache = settings.memory_layer * settings.window * token;
  return {"writer", count(settings.memory_layer, "layer") + " x " + count(settings.window, "token"),
          cache + writer_bytes(config, settings, options, "activations"), ""};
}

/// Of the layers that learn, for the way back.
MemoryPart activations(const ModelConfig& config, const MemorySettings& settings,
                       const TrainingPlanOptions& options) {
  const int64_t size = size_of(options.network.dtype);
  const int64_t q = config.heads * config.head_dim;
  const int64_t kv = 2 * config.kv_heads * config.head_dim;
  const int64_t input = config.hidden * kFloat;
  const int64_t rest = input + (2 * q + kv + 2 * config.ffn) * size + config.heads * kFloat;
  const bool all = options.network.part == TrainPart::all;
  const int64_t rows = options.batch.rows;
  int64_t bytes = 3 * (rows + options.batch.pasts) * input;  // in turn, and the gradient
  int64_t most = 0;
  for (int64_t layer = all ? 0 : settings.memory_layer; layer < config.layers; ++layer) {
    // The pasts go through the layers below memory; the memory layer only projects them.
    const int64_t in = rows + (all && layer <= settings.memory_layer ? options.batch.pasts : 0);
    const int64_t through = layer == settings.memory_layer ? rows : in;
    bytes += in * input + (options.network.recompute ? 0 : through * rest);
    most = std::max(most, through * rest);
  }
  bytes += (rows + options.batch.pasts) * kv * size;  // of the memory layer, as they are stored
  bytes += most;                                      // of what is not kept
  const std::string how = options.network.recompute ? ", inputs of layers only" : "";
  return {"activations", count(rows + options.batch.pasts, "token") + how, bytes, "--rows"};
}

/// Sums in f32 of products whose result is narrower: beside LoRA, and on a GPU with a bias. For
/// each row of a block.
int64_t sum_bytes(const ModelConfig& config, const TrainingPlanOptions& options) {
  if (options.network.dtype == DType::f32) return 0;
  const int64_t q = config.heads * config.head_dim;
  const int64_t kv = 2 * config.kv_heads * config.head_dim;
  int64_t bytes = 0;
  if (options.network.part == TrainPart::lora) {
    int64_t forward = 0;
    int64_t back = 0;
    for (const std::string& target : options.network.lora.targets) {
      if (target == "q_proj") forward = std::max(forward, q);
      if (target == "k_proj" || target == "v_proj") forward = std::max(forward, kv);
      if (target == "gate_proj" || target == "up_proj") forward = std::max(forward, 2 * config.ffn);
      if (target == "o_proj") back = std::max(back, q);
      if (target == "down_proj") back = std::max(back, config.ffn);
    }
    bytes += (forward + back) * kFloat;
  }
  if (options.device == Device::cuda) {
    int64_t biased = config.qkv_bias ? std::max(q, kv) : 0;
    if (config.mlp_bias) biased = std::max(biased, 2 * config.ffn);
    bytes += biased * kFloat;
  }
  return bytes;
}

/// Of one layer's way back, and of the loss.
MemoryPart gradients(const ModelConfig& config, const TrainingPlanOptions& options) {
  const int64_t size = size_of(options.network.dtype);
  const int64_t q = config.heads * config.head_dim;
  const int64_t kv = 2 * config.kv_heads * config.head_dim;
  const int64_t rows = options.batch.rows + options.batch.pasts;
  const int64_t block = std::min(rows, kRowBlock);
  const int64_t logits = std::min(rows, std::max<int64_t>(512, kLogits / config.vocab));
  int64_t bytes = rows * (2 * q + 2 * kv) * size;
  bytes += block * (config.hidden * (2 * size + kFloat) + 2 * config.ffn * size);
  bytes += block * sum_bytes(config, options);
  if (options.network.part == TrainPart::lora)
    bytes += block * 2 * options.network.lora.rank * size;
  bytes += options.batch.rows * config.hidden * (3 * kFloat + size);
  bytes += logits * config.vocab * (kFloat + (options.network.dtype == DType::f32 ? 0 : size));
  return {"gradients of activations", count(rows, "token"), bytes, "--rows"};
}

MemoryPart memory(const ModelConfig& config, const TrainingPlanOptions& options) {
  const int64_t width = 2 * config.kv_heads * config.head_dim;
  const bool gradient = options.network.part == TrainPart::all && options.batch.pasts > 0;
  const int64_t each = width * (size_of(options.network.dtype) + (gradient ? kFloat : 0));
  const int64_t pasts = gradient ? options.batch.pasts * width * kFloat : 0;
  const int64_t kept = options.batch.kept * width * size_of(DType::bf16);
  return {"memory",
          count(options.batch.memory, "token") + " read, " + count(options.batch.kept, "token") +
              " kept",
          options.batch.memory * each + pasts + kept, "--rows"};
}

}  // namespace

engine::MemoryPlan plan_training(const ModelConfig& config, const MemorySettings& settings,
                                 const TrainingPlanOptions& options) {
  engine::MemoryPlan plan;
  plan.parts.push_back(parameters(config, settings, options));
  if (options.optimizer == OptimizerKind::muon) {
    plan.parts.push_back(muon(config, settings, options));
  }
  plan.parts.push_back(packed(config, settings, options));
  if (options.network.part != TrainPart::all) {
    plan.parts.push_back(writer(config, settings, options));
  }
  plan.parts.push_back(activations(config, settings, options));
  plan.parts.push_back(gradients(config, options));
  if (options.batch.memory > 0) plan.parts.push_back(memory(config, options));
  if (options.device == Device::cuda) {
    plan.parts.push_back({"workspace", "matrix products, sums", kWorkspaceBytes, ""});
  }
  return plan;
}

}  // namespace memlong::train
