#include "model/weights.h"

namespace memlong::model {
namespace {

using Shapes = std::vector<std::pair<std::string, Shape>>;

void add_projection(Shapes& shapes, const std::string& name, int64_t out, int64_t in, bool bias) {
  shapes.emplace_back(name + ".weight", Shape{out, in});
  if (bias) shapes.emplace_back(name + ".bias", Shape{out});
}

void add_layer(Shapes& shapes, const std::string& layer, const ModelConfig& config) {
  const int64_t q = config.heads * config.head_dim;
  const int64_t kv = config.kv_heads * config.head_dim;
  const std::string attention = layer + "self_attn.";
  const std::string mlp = layer + "mlp.";
  shapes.emplace_back(layer + "input_layernorm.weight", Shape{config.hidden});
  add_projection(shapes, attention + "q_proj", q, config.hidden, config.qkv_bias);
  add_projection(shapes, attention + "k_proj", kv, config.hidden, config.qkv_bias);
  add_projection(shapes, attention + "v_proj", kv, config.hidden, config.qkv_bias);
  add_projection(shapes, attention + "o_proj", config.hidden, q, config.o_bias);
  shapes.emplace_back(layer + "post_attention_layernorm.weight", Shape{config.hidden});
  add_projection(shapes, mlp + "gate_proj", config.ffn, config.hidden, config.mlp_bias);
  add_projection(shapes, mlp + "up_proj", config.ffn, config.hidden, config.mlp_bias);
  add_projection(shapes, mlp + "down_proj", config.hidden, config.ffn, config.mlp_bias);
}

}  // namespace

Shapes tensor_shapes(const ModelConfig& config) {
  Shapes shapes;
  shapes.emplace_back("model.embed_tokens.weight", Shape{config.vocab, config.hidden});
  for (int64_t i = 0; i < config.layers; ++i) {
    add_layer(shapes, "model.layers." + std::to_string(i) + ".", config);
  }
  shapes.emplace_back("model.norm.weight", Shape{config.hidden});
  if (!config.tied_head) {
    shapes.emplace_back("lm_head.weight", Shape{config.vocab, config.hidden});
  }
  return shapes;
}

}  // namespace memlong::model
