// What a training run will hold in the memory of the device, reckoned before it is allocated.
#pragma once

#include <cstdint>

#include "engine/memory_plan.h"
#include "model/config.h"
#include "model/memory_settings.h"
#include "tensor/device.h"
#include "tensor/dtype.h"
#include "train/batch_extent.h"
#include "train/network.h"
#include "train/optimizer.h"

namespace memlong::train {

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
