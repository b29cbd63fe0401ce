// state.json of a checkpoint, as text. Included by checkpoint.cpp and its own .cpp only.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "train/checkpoint.h"

namespace memlong::train {

/// What a file of the checkpoint must be.
struct FileCheck {
  std::string name;
  uint64_t bytes = 0;
  uint32_t crc = 0;  ///< CRC-32C of the whole file
};

struct StoredState {
  CheckpointState state;
  std::vector<FileCheck> files;
};

std::string state_to_json(const StoredState& stored);
/// Errors: corrupt, naming `path`.
StoredState state_from_json(const std::string& text, const std::string& path);

}  // namespace memlong::train
