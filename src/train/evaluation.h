// Losses on held-out data, with and without memory.
#pragma once

#include <cstdint>
#include <string>

#include "tensor/context.h"
#include "train/trainer.h"

namespace memlong::train {

/// The same batch with nothing to read.
Batch without_memory(Batch batch);

/// `batches` batches of the set from its state `first`, those of training step `at` (what schedules
/// go by). Every batch is read as it is and without its memory. The set's source is left where it
/// ended.
EvaluationReport evaluate_set(Context& context, Network& network, EvaluationSet& set,
                              const std::string& first, int64_t batches, int64_t at);

}  // namespace memlong::train
