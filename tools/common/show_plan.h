// The memory plan of a run, as tools print it.
#pragma once

#include <string>

#include "engine/memory_plan.h"
#include "tools/common/model_options.h"

namespace memlong::tools {

/// "memory plan for DEVICE:" and a line for each part, with their sum.
std::string plan_text(const engine::MemoryPlan& plan, const std::string& device);

/// Before a model is loaded: prints the plan on standard error (for a GPU; for the CPU with
/// --verbose), and checks it against the memory that is free and --max-gpu-memory. `wanted`: what
/// else the run will hold; device and dtype are those of the options. Returns it with what was left
/// open chosen (engine::choose_open). Errors: capacity, and those of load_config and
/// resolve_settings.
engine::MemoryPlanOptions show_memory_plan(const CommonOptions& common, const Context& context,
                                           engine::MemoryPlanOptions wanted);

}  // namespace memlong::tools
