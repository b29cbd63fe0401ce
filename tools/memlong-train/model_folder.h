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
  /// Writes what else belongs to it, when all but that is there; may be empty.
  std::function<void(const std::filesystem::path& folder)> more = {};
};

/// Writes all that the config implies. A new folder appears complete or not at all; in one that is
/// there files of these names are replaced, the weights last. Errors: io, format.
void write_model_folder(Context& context, const std::filesystem::path& folder,
                        const ModelFolder& model);

}  // namespace memlong::train_tool
