#include <algorithm>
#include <array>
#include <bit>

#include "model/weights.h"

namespace memlong::model {
namespace {

constexpr std::array kLayerParts = {
    "input_layernorm",  "self_attn.q_proj", "self_attn.k_proj",
    "self_attn.v_proj", "self_attn.o_proj", "post_attention_layernorm",
    "mlp.gate_proj",    "mlp.up_proj",      "mlp.down_proj"};
constexpr std::array kMemoryParts = {"input_layernorm", "self_attn.k_proj", "self_attn.v_proj"};

template <class Parts>
void add_parts(const WeightStore& weights, int64_t layer, const Parts& parts,
               std::vector<std::string>& names) {
  const std::string prefix = "model.layers." + std::to_string(layer) + ".";
  for (const char* part : parts) {
    for (const char* kind : {".weight", ".bias"}) {
      const std::string name = prefix + part + kind;
      if (weights.contains(name)) names.push_back(name);
    }
  }
}

/// Numbers go into the hash by name and exact bits, so that no two sets of them look alike.
class NumberHash {
 public:
  explicit NumberHash(Sha256& hash) : hash_(hash) {}
  void add(const std::string& name, int64_t value) {
    hash_.update(name + "=" + std::to_string(value) + "\n");
  }
  void add(const std::string& name, double value) {
    hash_.update(name + "=" + std::to_string(std::bit_cast<uint64_t>(value)) + "\n");
  }

 private:
  Sha256& hash_;
};

/// The rotation's numbers, as far as the scaling uses them.
void add_rope(const ModelConfig& config, NumberHash& numbers) {
  const ops::RopeParameters& rope = config.rope;
  numbers.add("rope_theta", rope.theta);
  numbers.add("rope_scaling", static_cast<int64_t>(rope.scaling));
  if (rope.scaling == ops::RopeScaling::none) return;
  numbers.add("rope_factor", rope.factor);
  if (rope.scaling == ops::RopeScaling::linear) return;
  numbers.add("rope_original_positions", rope.original_positions);
  if (rope.scaling == ops::RopeScaling::llama3) {
    numbers.add("rope_low_freq_factor", rope.low_freq_factor);
    numbers.add("rope_high_freq_factor", rope.high_freq_factor);
  }
  if (rope.scaling == ops::RopeScaling::yarn) {
    numbers.add("rope_beta_fast", rope.beta_fast);
    numbers.add("rope_beta_slow", rope.beta_slow);
    numbers.add("rope_attention_factor", rope.attention_factor);
    numbers.add("rope_mscale", rope.mscale);
    numbers.add("rope_mscale_all_dim", rope.mscale_all_dim);
    numbers.add("rope_truncate", static_cast<int64_t>(rope.truncate));
  }
}

void add_numbers(const ModelConfig& config, int64_t memory_layer, NumberHash numbers) {
  numbers.add("memory_layer", memory_layer);
  numbers.add("kv_heads", config.kv_heads);
  numbers.add("head_dim", config.head_dim);
  numbers.add("rms_eps", static_cast<double>(config.rms_eps));
  numbers.add("qkv_bias", static_cast<int64_t>(config.qkv_bias));
  if (memory_layer == 0) return;  // no attention and no MLP stands before the stored K and V
  numbers.add("heads", config.heads);
  numbers.add("sliding_window", config.sliding_window);
  numbers.add("o_bias", static_cast<int64_t>(config.o_bias));
  numbers.add("mlp_bias", static_cast<int64_t>(config.mlp_bias));
  add_rope(config, numbers);
}

}  // namespace

std::vector<std::string> writer_tensor_names(const WeightStore& weights, int64_t memory_layer) {
  std::vector<std::string> names = {"model.embed_tokens.weight"};
  for (int64_t i = 0; i < memory_layer; ++i) add_parts(weights, i, kLayerParts, names);
  add_parts(weights, memory_layer, kMemoryParts, names);
  std::sort(names.begin(), names.end());
  return names;
}

Digest writer_hash(const ModelConfig& config, const WeightStore& weights, int64_t memory_layer) {
  Sha256 hash;
  hash.update("memlong writer 1\n");
  add_numbers(config, memory_layer, NumberHash(hash));
  for (const std::string& name : writer_tensor_names(weights, memory_layer)) {
    const TensorView view = weights.get(name);
    hash.update(name + " " + std::string(dtype_name(view.dtype())) + " " +
                view.shape().to_string() + "\n");
    hash.update(std::span(static_cast<const std::byte*>(view.raw()), view.bytes()));
  }
  return hash.finish();
}

}  // namespace memlong::model
