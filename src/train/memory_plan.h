// What a training run will hold in the memory of the device, reckoned before it is allocated.
#pragma once

#include <cstdint>

#include "engine/memory_plan.h"
#include "model/config.h"
#include "model/memory_settings.h"
#include "tensor/device.h"
#include "tensor/dtype.h"
#include "train/corpus.h"
#include "train/data_options.h"
#include "train/network.h"
#include "train/optimizer.h"

namespace memlong::train {

/// The largest batch that a source makes, and what it keeps between batches. In tokens.
struct BatchExtent {
  int64_t rows = 0;    ///< of sequences
  int64_t pasts = 0;   ///< rows of pasts
  int64_t memory = 0;  ///< of all sets that segments read
  int64_t kept = 0;    ///< of the chunks that streams keep
};
BatchExtent batch_extent(const DataOptions& data, const model::MemorySettings& settings,
                         const Corpus& corpus);

struct TrainingPlanOptions {
  Device device = Device::cuda;
  DType embedding = DType::bf16;  ///< of the embedding table in the model's files
  NetworkOptions network = {};
  OptimizerKind optimizer = OptimizerKind::adamw;
  BatchExtent batch = {};
};

/// A pure function of the shapes: exact for parameters and their packed forms, the rest as in the
/// largest batch.
engine::MemoryPlan plan_training(const model::ModelConfig& config,
                                 const model::MemorySettings& settings,
                                 const TrainingPlanOptions& options);

}  // namespace memlong::train
