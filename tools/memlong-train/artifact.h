// What a run is for: adapter or model, in the forms that others read.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "engine/loaded_model.h"
#include "tensor/context.h"
#include "tools/memlong-train/arguments.h"
#include "train/checkpoint.h"
#include "train/parameter.h"

namespace memlong::train_tool {

struct Artifact {
  std::filesystem::path path;  ///< folder
  std::string writer;          ///< hash of the writer with it, computed from what was written
};

/// upper: `out`/adapter/upper_layers.safetensors; lora: `out`/adapter, a PEFT folder; all:
/// `out`/model, without sif.safetensors. `parameters`: all that the run trains.
Artifact write_artifact(Context& context, const Arguments& arguments,
                        const engine::LoadedModel& base, const train::NamedTensors& parameters,
                        const std::filesystem::path& out);

/// By name, as checkpoints have them.
train::NamedTensors named(const std::vector<train::Parameter>& parameters);

/// Estimates sif.safetensors of a model folder from the tokens.
void write_sif_file(Context& context, const std::filesystem::path& folder,
                    const std::vector<int32_t>& ids, int64_t chunk);

/// "the writer is unchanged", or what it means that it is not.
std::string writer_remark(const Artifact& artifact, const engine::LoadedModel& base);

}  // namespace memlong::train_tool
