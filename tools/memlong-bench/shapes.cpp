#include "tools/memlong-bench/shapes.h"

#include <array>

#include "common/error.h"

namespace memlong::bench_tool {
namespace {

struct NamedShape {
  const char* name;
  const char* architecture;
  int64_t layers;
  int64_t hidden;
  int64_t ffn;
  int64_t heads;
  int64_t kv_heads;
  int64_t head_dim;
  int64_t vocab;
  int64_t max_positions;
  bool tied;
  bool qkv_bias;
};

constexpr std::array<NamedShape, 7> kShapes = {{
    {"openllama-3b", "LlamaForCausalLM", 26, 3200, 8640, 32, 32, 100, 32000, 2048, false, false},
    {"tinyllama-1.1b", "LlamaForCausalLM", 22, 2048, 5632, 32, 4, 64, 32000, 2048, false, false},
    {"llama-2-7b", "LlamaForCausalLM", 32, 4096, 11008, 32, 32, 128, 32000, 4096, false, false},
    {"mistral-7b", "MistralForCausalLM", 32, 4096, 14336, 32, 8, 128, 32000, 32768, false, false},
    {"qwen2-0.5b", "Qwen2ForCausalLM", 24, 896, 4864, 14, 2, 64, 151936, 32768, true, true},
    {"100m", "LlamaForCausalLM", 12, 768, 2048, 12, 12, 64, 32000, 2048, true, false},
    {"reference", "LlamaForCausalLM", 8, 256, 704, 4, 2, 64, 4096, 512, true, false},
}};

}  // namespace

std::vector<std::string> shape_names() {
  std::vector<std::string> names;
  for (const NamedShape& shape : kShapes) names.emplace_back(shape.name);
  return names;
}

model::ModelConfig shape_config(const std::string& name) {
  for (const NamedShape& shape : kShapes) {
    if (name != shape.name) continue;
    model::ModelConfig config;
    config.architecture = shape.architecture;
    config.layers = shape.layers;
    config.hidden = shape.hidden;
    config.ffn = shape.ffn;
    config.heads = shape.heads;
    config.kv_heads = shape.kv_heads;
    config.head_dim = shape.head_dim;
    config.vocab = shape.vocab;
    config.max_positions = shape.max_positions;
    config.tied_head = shape.tied;
    config.qkv_bias = shape.qkv_bias;
    config.bos = 1;
    config.eos = {2};
    return config;
  }
  fail(ErrorKind::usage, "--shape: there is no shape '" + name + "'");
}

}  // namespace memlong::bench_tool
