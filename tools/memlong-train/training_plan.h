// The memory plan of a training run.
#pragma once

#include "engine/loaded_model.h"
#include "tensor/context.h"
#include "tools/memlong-train/arguments.h"
#include "tools/memlong-train/setup.h"

namespace memlong::train_tool {

/// Before the network is made: prints on standard error what the run will hold in the memory of a
/// GPU (of the CPU with --verbose), and checks it against what is free and --max-gpu-memory.
/// Errors: capacity.
void show_training_plan(const Context& context, const Arguments& arguments,
                        const engine::LoadedModel& model, const Sources& sources);

}  // namespace memlong::train_tool
