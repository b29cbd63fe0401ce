// Adapters of two kinds, one a folder.
#pragma once

#include <cstdint>
#include <filesystem>

namespace memlong::model {

enum class AdapterKind : uint8_t {
  upper,  ///< upper_layers.safetensors
  peft    ///< adapter_config.json and adapter_model.safetensors
};

/// Before an adapter is written there. upper: the folder holds nothing that overlay_upper() would
/// take in its place. peft, where the whole folder is replaced: it holds nothing but such an
/// adapter, and a README.md. Errors: io, naming what is in the way.
void check_adapter_folder(const std::filesystem::path& folder, AdapterKind kind);

}  // namespace memlong::model
