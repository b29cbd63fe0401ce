// A plain Hugging Face folder: config.json, tokenizer, memlong.toml, model.safetensors.
#pragma once

#include <filesystem>
#include <functional>

#include "model/config.h"
#include "model/memory_settings.h"
#include "tensor/context.h"
#include "tensor/tensor.h"

namespace memlong::train_tool {

struct ModelFolder {
  std::filesystem::path source;  ///< whose config.json and tokenizer it gets
  model::ModelConfig config;
  model::MemorySettings settings;
  DType dtype = DType::bf16;
  std::function<TensorView(const std::string& name)> tensor;  ///< any float dtype
};

/// Writes all that the config implies; the weights come last. Files of these names are replaced.
/// Errors: io, format.
void write_model_folder(Context& context, const std::filesystem::path& folder,
                        const ModelFolder& model);

}  // namespace memlong::train_tool
