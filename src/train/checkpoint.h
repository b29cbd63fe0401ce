// A checkpoint: a folder that is complete or absent.
//
//   checkpoint-000200/state.json           step, recipe fingerprint, source state, optimizer steps
//   checkpoint-000200/parameters.safetensors   f32 masters
//   checkpoint-000200/optimizer.safetensors    moments
//
// Written as a folder with another name, synced, then renamed (docs/formats/checkpoint.md).
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "tensor/tensor.h"

namespace memlong::train {

struct CheckpointState {
  int64_t step = 0;
  int64_t optimizer_steps = 0;
  double gradient_norm_mean = 0.0;  ///< of the spike guard
  bool evaluation_due = false;      ///< the run was stopped where it would have evaluated
  int64_t skipped = 0;              ///< steps that were not taken, in a row up to here
  int64_t tokens = 0;
  std::string fingerprint;
  std::string source;  ///< BatchSource::state()
};

using NamedTensors = std::vector<std::pair<std::string, TensorView>>;

/// Returns the folder. Older ones beyond `keep`, and leftovers of interrupted writes, are removed.
/// Errors: io, also where there is one of that step already.
std::filesystem::path write_checkpoint(const std::filesystem::path& out,
                                       const CheckpointState& state, const NamedTensors& parameters,
                                       const NamedTensors& optimizer, int64_t keep);

/// The newest one; nothing when there is none. Errors: corrupt, for a folder that lacks a file:
/// going on from an older one, or from nothing, would lose work unasked.
std::optional<std::filesystem::path> newest_checkpoint(const std::filesystem::path& out);

struct LoadedCheckpoint {
  CheckpointState state;
  std::map<std::string, Tensor> parameters;
  std::map<std::string, Tensor> optimizer;
};
/// Errors: io, corrupt (naming file and what is wrong; also a folder that was renamed).
LoadedCheckpoint read_checkpoint(const std::filesystem::path& folder);

}  // namespace memlong::train
