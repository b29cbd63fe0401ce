// A PEFT folder's LoRA, merged into the base's weights. Used within this folder.
#pragma once

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "model/weights.h"

namespace memlong::model {

/// The tensors of adapter_model.safetensors, else of adapter_model.bin, merged into the base:
/// W + scale x B A in f32 (sums in f32, in the order of the rank) for every layer with a LoRA, and
/// the saved modules as they are. Nothing is returned unless all of it fits. Errors: io, format,
/// config; mismatch, naming the tensor.
std::vector<std::pair<std::string, Tensor>> merge_peft(const std::filesystem::path& folder,
                                                       const WeightStore& base,
                                                       const ModelConfig& config,
                                                       int64_t memory_layer);

}  // namespace memlong::model
