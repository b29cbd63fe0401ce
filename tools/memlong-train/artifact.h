// What a run is for: adapter or model, in the forms that others read.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
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

/// Before the work for it is done. Errors: usage, io, where `out` cannot take the artefact: its
/// place is the model that is trained, or holds another kind of adapter.
void check_artifact_place(const Arguments& arguments, const std::filesystem::path& out);

/// At most so many tokens of the data.
using TokenSample = std::function<std::vector<int32_t>(int64_t most)>;

/// upper: `out`/adapter/upper_layers.safetensors; lora: `out`/adapter, a PEFT folder; all:
/// `out`/model, with a sif.safetensors estimated from `sample` where the model searches with one.
/// `parameters`: all that the run trains. Errors: those of check_artifact_place; io.
Artifact write_artifact(Context& context, const Arguments& arguments,
                        const engine::LoadedModel& base, const train::NamedTensors& parameters,
                        const std::filesystem::path& out, const TokenSample& sample);

/// What write_artifact() left in `out`; nothing where it is not there or does not open.
std::optional<Artifact> find_artifact(const Arguments& arguments, const engine::LoadedModel& base,
                                      const std::filesystem::path& out);

/// By name, as checkpoints have them.
train::NamedTensors named(const std::vector<train::Parameter>& parameters);

/// "the writer is unchanged", or what it means that it is not.
std::string writer_remark(const Artifact& artifact, const engine::LoadedModel& base);

}  // namespace memlong::train_tool
