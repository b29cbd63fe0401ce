// LoRA adapters as Hugging Face PEFT folders: adapter_config.json, adapter_model.safetensors.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "tensor/tensor.h"

namespace memlong::model {

/// Layer W [out, in] becomes W + alpha / rank x B A.
struct PeftAdapter {
  int64_t rank = 0;
  double alpha = 0.0;
  std::string base_model;  ///< base_model_name_or_path: a folder or a hub name; informative
  /// "model.layers.5.self_attn.q_proj.lora_A.weight" [rank, in] and "...lora_B.weight" [out, rank],
  /// both of every layer.
  std::vector<std::pair<std::string, TensorView>> lora;
  /// Tensors that replace the base's whole: "model.layers.5.input_layernorm.weight" [C] ...
  std::vector<std::pair<std::string, TensorView>> full;
};

/// Writes a folder that Python peft and WeightStore::overlay_upper load. Peft finds layers by the
/// end of their names, so these are spelled out far enough to match nothing else. The folder
/// appears complete or not at all; one that is there already must be an adapter folder and is
/// replaced, but for a README.md. Errors: io. Names or shapes that do not fit together: internal.
void write_peft_adapter(const std::filesystem::path& folder, const PeftAdapter& adapter);

}  // namespace memlong::model
