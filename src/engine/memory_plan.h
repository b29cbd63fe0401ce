// What a run will hold in the memory of the device, reckoned before anything is allocated.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "model/config.h"
#include "model/memory_settings.h"
#include "tensor/device.h"
#include "tensor/dtype.h"

namespace memlong::engine {

struct MemoryPlanOptions {
  Device device = Device::cpu;    ///< on the CPU the embedding table stays in the mapped file
  DType dtype = DType::bf16;      ///< of weights, activations, keys and values
  DType embedding = DType::bf16;  ///< of the embedding table, as the model's files have it
  bool writer_only = false;       ///< ingest: nothing above the memory layer's keys and values
  bool use_memory = true;         ///< segments read retrieved chunks
  DType stored = DType::bf16;     ///< of keys and values in the bank
  int64_t windows = 1;            ///< that are encoded at once; 0: as many as are good
  /// Whose keys and values stay where the network runs, besides those in use; -1: as many as are
  /// good.
  int64_t cached_chunks = 0;
  int64_t dialogs = 1;       ///< that are open at once, each with a window of its own
  bool takes_texts = false;  ///< texts are read beside the dialogs, a window at a time
  int64_t logit_rows = 1;    ///< of logits that are kept at once
  [[nodiscard]] bool retrieves() const { return use_memory && !writer_only; }
};

struct MemoryPart {
  std::string name;   ///< "K-V cache"
  std::string shape;  ///< what it follows from: "26 layers x 2048 tokens"
  int64_t bytes = 0;
  std::string lower;  ///< the option that makes it smaller; "": none does
};

struct MemoryPlan {
  std::vector<MemoryPart> parts;
  [[nodiscard]] int64_t bytes() const;
};

/// A pure function of the shapes. Exact for weights and caches; activations as in the longest pass
/// (a whole window); the libraries' workspace as what they are given.
MemoryPlan plan_memory(const model::ModelConfig& config, const model::MemorySettings& settings,
                       const MemoryPlanOptions& options);

/// The options with numbers for `windows` and `cached_chunks` where they are left open: on the CPU
/// one window and no chunk; on a GPU as many windows as have rows enough to keep it busy, and the
/// chunks of the last sets, both less where the plan would not fit into `room` bytes.
MemoryPlanOptions choose_open(const model::ModelConfig& config,
                              const model::MemorySettings& settings, MemoryPlanOptions options,
                              int64_t room);

/// Nothing where the plan fits into what is `free` and below `limit` (0: no limit), else
/// Error{capacity}, one line: what is needed for what, what is there, and the options to lower,
/// those of the largest parts first. `device`: "cuda:0 (NVIDIA A100)".
void check_plan(const MemoryPlan& plan, const std::string& device, int64_t free, int64_t limit);

}  // namespace memlong::engine
