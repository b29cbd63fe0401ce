#include "model/config.h"

#include <algorithm>
#include <array>

#include "common/error.h"
#include "common/file.h"
#include "common/log.h"
#include "model/json_fields.h"

namespace memlong::model {
namespace {

constexpr size_t kMaxConfigBytes = size_t{16} << 20;
constexpr int64_t kMaxLayers = 1000;
constexpr int64_t kMaxHidden = int64_t{1} << 17;
constexpr int64_t kMaxFfn = int64_t{1} << 19;
constexpr int64_t kMaxHeads = 1024;
constexpr int64_t kMaxHeadDim = 256;
constexpr int64_t kMaxVocab = int64_t{1} << 24;
constexpr int64_t kMaxPositions = int64_t{1} << 27;

struct Family {
  const char* architecture;
  const char* model_type;
};
constexpr std::array<Family, 4> kFamilies = {{{"LlamaForCausalLM", "llama"},
                                              {"MistralForCausalLM", "mistral"},
                                              {"Qwen2ForCausalLM", "qwen2"},
                                              {"LLaMAForCausalLM", "llama"}}};

std::string read_architecture(const JsonFields& fields) {
  std::string named;
  if (fields.has("architectures")) {
    const nlohmann::json& list = fields.at("architectures");
    if (!list.is_array() || list.empty() || !list[0].is_string()) {
      fields.refuse("architectures", "must be a list of names");
    }
    named = list[0].get<std::string>();
  }
  const std::string type = fields.text_or("model_type", "");
  for (const Family& family : kFamilies) {
    if (named.empty() ? type == family.model_type : named == family.architecture) {
      return named == "LLaMAForCausalLM" ? "LlamaForCausalLM" : family.architecture;
    }
  }
  fields.refuse(named.empty() ? "model_type" : "architectures",
                std::string("is \"") + (named.empty() ? type : named) +
                    "\"; memlong reads LlamaForCausalLM, MistralForCausalLM and Qwen2ForCausalLM");
}

ops::RopeScaling read_scaling(const JsonFields& fields) {
  const std::string key = fields.has("rope_type") ? "rope_type" : "type";
  const std::string name = fields.text_or(key, "default");
  if (name == "default" || name == "none") return ops::RopeScaling::none;
  if (name == "linear") return ops::RopeScaling::linear;
  if (name == "dynamic") return ops::RopeScaling::dynamic;
  if (name == "llama3") return ops::RopeScaling::llama3;
  if (name == "yarn") return ops::RopeScaling::yarn;
  fields.refuse(
      key, std::string("is \"") + name + "\"; known are default, linear, dynamic, llama3 and yarn");
}

/// The scaling's own numbers, from `rope_scaling` (old) or `rope_parameters` (new).
void read_scaling_numbers(const JsonFields& fields, int64_t positions, ops::RopeParameters& rope) {
  rope.scaling = read_scaling(fields);
  if (rope.scaling == ops::RopeScaling::none) return;
  if (!fields.has("factor")) fields.refuse("factor", "is missing");
  rope.factor = fields.number_or("factor", 1.0, 1e6, 1.0);
  const bool llama3 = rope.scaling == ops::RopeScaling::llama3;
  if (llama3) {
    rope.original_positions = fields.integer("original_max_position_embeddings", 1, kMaxPositions);
    rope.low_freq_factor = fields.number_or("low_freq_factor", 1e-3, 1e6, 1.0);
    rope.high_freq_factor = fields.number_or("high_freq_factor", 1e-3, 1e6, 4.0);
    if (rope.high_freq_factor <= rope.low_freq_factor) {
      fields.refuse("high_freq_factor", "must be greater than low_freq_factor");
    }
  } else if (rope.scaling != ops::RopeScaling::linear) {
    rope.original_positions =
        fields.integer_or("original_max_position_embeddings", 1, kMaxPositions, positions);
  }
  if (rope.scaling == ops::RopeScaling::yarn) {
    rope.beta_fast = fields.number_or("beta_fast", 1e-3, 1e6, 32.0);
    rope.beta_slow = fields.number_or("beta_slow", 1e-3, 1e6, 1.0);
    rope.attention_factor = fields.number_or("attention_factor", 1e-6, 1e6, 0.0);
    rope.mscale = fields.number_or("mscale", 0.0, 1e6, 0.0);
    rope.mscale_all_dim = fields.number_or("mscale_all_dim", 0.0, 1e6, 0.0);
    rope.truncate = fields.flag_or("truncate", true);
  }
}

ops::RopeParameters read_rope(const JsonFields& fields, int64_t positions,
                              const std::string& origin) {
  ops::RopeParameters rope;
  rope.theta = fields.number_or("rope_theta", 1.0, 1e12, 10000.0);
  if (fields.number_or("partial_rotary_factor", 0.0, 1.0, 1.0) != 1.0) {
    fields.refuse("partial_rotary_factor", "is not 1; heads that rotate in part are not read");
  }
  // Where both are there, the old one counts, and nothing of the new (as in transformers).
  for (const char* key : {"rope_scaling", "rope_parameters"}) {
    if (!fields.has(key)) continue;
    const nlohmann::json& object = fields.at(key);
    if (!object.is_object()) fields.refuse(key, "must be an object or null");
    if (object.empty()) continue;
    for (const auto& item : object.items()) {
      if (item.value().is_object()) fields.refuse(key, "differs between layers; that is not read");
    }
    const JsonFields inner(object, origin + ": " + key);
    rope.theta = inner.number_or("rope_theta", 1.0, 1e12, rope.theta);
    read_scaling_numbers(inner, positions, rope);
    break;
  }
  return rope;
}

void read_shape(const JsonFields& fields, ModelConfig& config) {
  config.layers = fields.integer("num_hidden_layers", 1, kMaxLayers);
  config.hidden = fields.integer("hidden_size", 1, kMaxHidden);
  config.ffn = fields.integer("intermediate_size", 1, kMaxFfn);
  config.heads = fields.integer("num_attention_heads", 1, kMaxHeads);
  config.kv_heads = fields.integer_or("num_key_value_heads", 1, kMaxHeads, config.heads);
  config.vocab = fields.integer("vocab_size", 1, kMaxVocab);
  config.max_positions = fields.integer_or("max_position_embeddings", 1, kMaxPositions, 2048);
  if (config.heads % config.kv_heads != 0) {
    fields.refuse("num_key_value_heads", "is " + std::to_string(config.kv_heads) +
                                             "; it must divide num_attention_heads, " +
                                             std::to_string(config.heads));
  }
  if (!fields.has("head_dim") && config.hidden % config.heads != 0) {
    fields.refuse("num_attention_heads", "is " + std::to_string(config.heads) +
                                             "; it must divide hidden_size, " +
                                             std::to_string(config.hidden));
  }
  config.head_dim =
      fields.integer_or("head_dim", 1, int64_t{1} << 20, config.hidden / config.heads);
  if (config.head_dim < 2 || config.head_dim % 2 != 0 || config.head_dim > kMaxHeadDim) {
    fields.refuse("head_dim", "is " + std::to_string(config.head_dim) +
                                  "; it must be even and at most " + std::to_string(kMaxHeadDim));
  }
}

/// Whether any layer attends to `sliding_window` rows alone. Newer files name the kind of each
/// layer, older ones of Qwen2 the number of layers that do not slide.
bool any_layer_slides(const JsonFields& fields, const ModelConfig& config) {
  if (config.sliding_window == 0) return false;
  if (fields.has("layer_types")) {
    const nlohmann::json& kinds = fields.at("layer_types");
    if (!kinds.is_array()) fields.refuse("layer_types", "must be a list of names");
    return std::find(kinds.begin(), kinds.end(), "sliding_attention") != kinds.end();
  }
  if (config.architecture != "Qwen2ForCausalLM") return true;
  return fields.integer_or("max_window_layers", 0, INT32_MAX, 28) < config.layers;
}

/// What differs between the families: biases, and windows of attention.
void read_family(const JsonFields& fields, ModelConfig& config) {
  const bool qwen = config.architecture == "Qwen2ForCausalLM";
  const bool llama = config.architecture == "LlamaForCausalLM";
  const bool attention_bias = llama && fields.flag_or("attention_bias", false);
  config.qkv_bias = qwen || attention_bias;
  config.o_bias = attention_bias;
  config.mlp_bias = llama && fields.flag_or("mlp_bias", false);
  const bool slides = !llama && (!qwen || fields.flag_or("use_sliding_window", false));
  if (slides) config.sliding_window = fields.integer_or("sliding_window", 1, kMaxPositions, 0);
  if (any_layer_slides(fields, config)) config.attention_rows = config.sliding_window;
  const std::string act = fields.text_or("hidden_act", "silu");
  if (act != "silu" && act != "swish")
    fields.refuse("hidden_act", std::string("is \"") + act + "\", not silu");
  if (fields.has("quantization_config")) {
    fields.refuse("quantization_config",
                  "is set: quantized weights are not read; use the model's "
                  "F32, F16 or BF16 version");
  }
}

void read_token_ids(const JsonFields& fields, ModelConfig& config) {
  // -1 is how old configs say "none".
  const std::vector<int32_t> bos = fields.ids("bos_token_id", -1, config.vocab - 1);
  if (!bos.empty()) config.bos = bos.front();
  const std::vector<int32_t> named = fields.ids("eos_token_id", INT32_MIN, INT32_MAX);
  std::vector<int32_t> eos;
  bool odd = false;
  for (const int32_t id : named) {
    if (id == -1) continue;
    if (id >= 0 && id < config.vocab) {
      eos.push_back(id);
      continue;
    }
    odd = true;
    log::warn(fields.origin() + ": eos_token_id " + std::to_string(id) + " is no id below " +
              std::to_string(config.vocab) + "; it is left out");
  }
  if (!eos.empty() || (!named.empty() && !odd)) config.eos = std::move(eos);
}

}  // namespace

ModelConfig parse_config(const std::string& json, const std::string& origin) {
  const nlohmann::json root = parse_json_object(json, origin);
  const JsonFields fields(root, origin);
  ModelConfig config;
  config.architecture = read_architecture(fields);
  read_shape(fields, config);
  read_family(fields, config);
  config.rms_eps = static_cast<float>(fields.number_or("rms_norm_eps", 1e-30, 1.0, 1e-6));
  config.rope = read_rope(fields, config.max_positions, origin);
  config.tied_head = fields.flag_or("tie_word_embeddings", false);
  read_token_ids(fields, config);
  return config;
}

ModelConfig load_config(const std::filesystem::path& folder) {
  const std::filesystem::path file = folder / "config.json";
  ModelConfig config = parse_config(read_file(file, kMaxConfigBytes), file.string());
  const std::filesystem::path generation = folder / "generation_config.json";
  if (std::error_code ignored; std::filesystem::exists(generation, ignored)) {
    const std::string origin = generation.string();
    const nlohmann::json root = parse_json_object(read_file(generation, kMaxConfigBytes), origin);
    read_token_ids(JsonFields(root, origin), config);
  }
  return config;
}

}  // namespace memlong::model
