#include "train/network_weights.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <random>
#include <string>
#include <utility>

#include "common/error.h"
#include "ops/copy.h"

namespace memlong::train {
namespace {

using backbone::LowRank;
using backbone::TrainBlock;
using backbone::TrainLinear;
using backbone::TrainLinearParts;
using backbone::TrainTensor;

constexpr std::array<const char*, 7> kProducts = {"q_proj",    "k_proj",  "v_proj",   "o_proj",
                                                  "gate_proj", "up_proj", "down_proj"};

void check_lora(const LoraOptions& lora, int64_t hidden) {
  if (lora.rank < 1) fail(ErrorKind::config, "the rank of a LoRA must be at least 1");
  if (lora.rank > hidden) {
    fail(ErrorKind::usage, "a LoRA of rank " + std::to_string(lora.rank) +
                               " is larger than the layers themselves, which are " +
                               std::to_string(hidden) + " wide");
  }
  if (lora.targets.empty()) fail(ErrorKind::config, "a LoRA needs targets");
  for (const std::string& target : lora.targets) {
    if (std::find(kProducts.begin(), kProducts.end(), target) == kProducts.end()) {
      fail(ErrorKind::config, "no such LoRA target: " + target);
    }
  }
}

class Builder {
 public:
  Builder(Context& context, const model::WeightStore& store, const model::ModelConfig& config,
          int64_t memory_layer, const NetworkOptions& options, NetworkWeights& weights)
      : context_(context),
        store_(store),
        config_(config),
        memory_layer_(memory_layer),
        options_(options),
        weights_(weights),
        random_(options.seed) {}

  void build() {
    context_.activate();
    const bool all = options_.part == TrainPart::all;
    const Shape table{config_.vocab, config_.hidden};
    if (all) weights_.embedding = tensor("model.embed_tokens.weight", table, true);
    weights_.blocks.resize(static_cast<size_t>(config_.layers));
    for (int64_t layer = all ? 0 : memory_layer_; layer < config_.layers; ++layer) {
      add_block(layer);
    }
    const bool norm = options_.part != TrainPart::lora || options_.lora.norms;
    weights_.final_norm = norm_tensor("model.norm.weight", norm);
    TrainTensor head;
    if (!config_.tied_head) {
      head = tensor("lm_head.weight", table,
                    all || (options_.part == TrainPart::upper && options_.head));
    } else {
      head = all ? weights_.embedding : tensor("model.embed_tokens.weight", table, false);
    }
    weights_.head =
        TrainLinear({.weights = {head}, .biases = {}, .low_rank = {}}, options_.dtype, true);
  }

 private:
  /// Whether layer `layer`'s part `name` may change at all.
  [[nodiscard]] bool open(int64_t layer, const std::string& name) const {
    if (options_.part == TrainPart::all || layer > memory_layer_) return true;
    const bool writes = name == "input_layernorm" || name == "k_proj" || name == "v_proj";
    return layer == memory_layer_ && options_.memory_layer && !writes;
  }
  [[nodiscard]] bool norm_learns(int64_t layer, const std::string& name) const {
    return open(layer, name) && (options_.part != TrainPart::lora || options_.lora.norms);
  }
  [[nodiscard]] bool has_lora(int64_t layer, const std::string& name) const {
    const auto& targets = options_.lora.targets;
    return options_.part == TrainPart::lora && open(layer, name) &&
           std::find(targets.begin(), targets.end(), name) != targets.end();
  }

  /// value: where the context computes.
  TrainTensor add_parameter(const std::string& name, Tensor value) {
    Parameter parameter{name, std::move(value), {}};
    parameter.gradient = zeros(parameter.value.shape());
    weights_.parameters.push_back(parameter);
    return {parameter.value, parameter.gradient};
  }

  [[nodiscard]] Tensor zeros(const Shape& shape) const {
    return Tensor::zeros(shape, DType::f32, context_.device());
  }

  /// What does not learn stays in main memory: it is only packed.
  TrainTensor tensor(const std::string& name, const Shape& shape, bool learns) {
    const TensorView view = store_.get(name, shape);
    if (!learns) return {view, {}};
    return add_parameter(name, ops::convert(context_, view, DType::f32));
  }

  TrainTensor norm_tensor(const std::string& name, bool learns) {
    if (learns) return tensor(name, {config_.hidden}, true);
    weights_.frozen.push_back(
        ops::convert(context_, store_.get(name, {config_.hidden}), DType::f32));
    return {weights_.frozen.back(), {}};
  }

  /// As PEFT starts them: A uniform (Kaiming with a = sqrt(5)), B zero.
  LowRank low_rank(const std::string& name, int64_t begin, int64_t out, int64_t in) {
    const int64_t rank = options_.lora.rank;
    const double bound = 1.0 / std::sqrt(static_cast<double>(in));
    Tensor a({rank, in}, DType::f32);
    for (int64_t i = 0; i < rank * in; ++i) {
      const double unit = static_cast<double>(random_() >> 11) * 0x1p-53;
      a.data<float>()[i] = static_cast<float>(bound * (2.0 * unit - 1.0));
    }
    LowRank path;
    path.begin = begin;
    path.end = begin + out;
    path.scale = static_cast<float>(options_.lora.alpha / static_cast<double>(rank));
    path.a = add_parameter(name + ".lora_A.weight", ops::convert(context_, a, DType::f32));
    path.b = add_parameter(name + ".lora_B.weight", zeros({out, rank}));
    return path;
  }

  TrainLinear linear(int64_t layer, const std::string& group,
                     std::initializer_list<const char*> names, int64_t out, int64_t in, bool bias,
                     bool input_gradient) {
    const bool lora = options_.part == TrainPart::lora;
    TrainLinearParts parts;
    int64_t begin = 0;
    for (const char* product : names) {
      const std::string name = layer_prefix(layer) + group + product;
      const bool learns = !lora && open(layer, product);
      parts.weights.push_back(tensor(name + ".weight", {out, in}, learns));
      if (bias) parts.biases.push_back(tensor(name + ".bias", {out}, learns));
      if (has_lora(layer, product)) parts.low_rank.push_back(low_rank(name, begin, out, in));
      begin += out;
    }
    return {std::move(parts), options_.dtype, input_gradient};
  }

  void add_block(int64_t layer) {
    const int64_t q = config_.heads * config_.head_dim;
    const int64_t kv = config_.kv_heads * config_.head_dim;
    const int64_t hidden = config_.hidden;
    const bool all = options_.part == TrainPart::all;
    const int64_t lowest = all ? 0 : memory_layer_ + (options_.memory_layer ? 0 : 1);
    const bool inside = layer >= lowest;
    const bool through = all || layer > lowest || norm_learns(layer, "input_layernorm");
    TrainBlock& block = weights_.blocks[static_cast<size_t>(layer)];
    const auto norm = [&](const std::string& name) {
      return norm_tensor(layer_prefix(layer) + name + ".weight", norm_learns(layer, name));
    };
    block.input_norm = norm("input_layernorm");
    block.q = linear(layer, "self_attn.", {"q_proj"}, q, hidden, config_.qkv_bias, through);
    block.kv =
        linear(layer, "self_attn.", {"k_proj", "v_proj"}, kv, hidden, config_.qkv_bias, through);
    block.o = linear(layer, "self_attn.", {"o_proj"}, hidden, q, config_.o_bias, inside);
    block.post_norm = norm("post_attention_layernorm");
    block.gate_up = linear(layer, "mlp.", {"gate_proj", "up_proj"}, config_.ffn, hidden,
                           config_.mlp_bias, inside);
    block.down =
        linear(layer, "mlp.", {"down_proj"}, hidden, config_.ffn, config_.mlp_bias, inside);
  }

  static std::string layer_prefix(int64_t layer) {
    return "model.layers." + std::to_string(layer) + ".";
  }

  Context& context_;
  const model::WeightStore& store_;
  const model::ModelConfig& config_;
  int64_t memory_layer_;
  const NetworkOptions& options_;
  NetworkWeights& weights_;
  std::mt19937_64 random_;
};

}  // namespace

void NetworkWeights::pack(Context& context, int64_t memory_layer, TrainPart part) {
  for (size_t i = part == TrainPart::all ? 0 : static_cast<size_t>(memory_layer); i < blocks.size();
       ++i) {
    blocks[i].pack(context);
  }
  head.pack(context);
}

NetworkWeights make_network_weights(Context& context, const model::WeightStore& store,
                                    const model::ModelConfig& config, int64_t memory_layer,
                                    const NetworkOptions& options) {
  if (options.part == TrainPart::lora) check_lora(options.lora, config.hidden);
  NetworkWeights weights;
  Builder(context, store, config, memory_layer, options, weights).build();
  if (weights.parameters.empty()) fail(ErrorKind::config, "nothing is left to train");
  const auto trained = [](const TrainBlock& block) { return block.trained(); };
  const auto first = std::find_if(weights.blocks.begin(), weights.blocks.end(), trained);
  weights.first = first - weights.blocks.begin();
  weights.pack(context, memory_layer, options.part);
  return weights;
}

}  // namespace memlong::train
