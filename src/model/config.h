// What a Hugging Face folder's config.json says of a Llama-family model.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "ops/rope.h"

namespace memlong::model {

struct ModelConfig {
  std::string architecture;  ///< "LlamaForCausalLM", "MistralForCausalLM", "Qwen2ForCausalLM"
  int64_t layers = 0;        ///< L
  int64_t hidden = 0;        ///< C
  int64_t ffn = 0;           ///< F
  int64_t heads = 0;         ///< H
  int64_t kv_heads = 0;      ///< G
  int64_t head_dim = 0;      ///< D
  int64_t vocab = 0;         ///< V
  int64_t max_positions = 0;
  int64_t sliding_window = 0;  ///< as the file has it; 0: none
  int64_t attention_rows = 0;  ///< some layer attends to so many rows; 0: all layers to all rows
  float rms_eps = 1e-6F;
  ops::RopeParameters rope;
  bool tied_head = false;
  bool qkv_bias = false;
  bool o_bias = false;
  bool mlp_bias = false;
  int32_t bos = -1;          ///< -1: none
  std::vector<int32_t> eos;  ///< generation_config.json's where it has some; all below `vocab`
};

/// Reads `folder`/config.json (old and new spelling of rope and dtype) and generation_config.json.
/// Errors: io (missing), format (not JSON), config (unknown architecture, absurd or missing
/// values).
ModelConfig load_config(const std::filesystem::path& folder);

/// The same from the text of a config.json; `origin` names it in messages.
ModelConfig parse_config(const std::string& json, const std::string& origin);

}  // namespace memlong::model
