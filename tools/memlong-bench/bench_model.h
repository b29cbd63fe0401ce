// The measured network as the engine wants it: with tokenizer and embedder.
#pragma once

#include <memory>

#include "engine/loaded_model.h"
#include "engine/memory_plan.h"
#include "retriever/embedder.h"
#include "tools/memlong-bench/suite.h"

namespace memlong::bench_tool {

/// A shape has a stand-in for a tokenizer and no chat template. `embedder`: its name.
std::shared_ptr<const engine::LoadedModel> loaded_model(const Bench& bench,
                                                        const std::string& embedder);

/// Its embedder; what `sif` has to know of a shape's language is estimated from random tokens.
std::shared_ptr<const retriever::Embedder> bench_embedder(const Bench& bench,
                                                          const engine::LoadedModel& model);

/// Windows of an ingest and chunks at hand of a dialog, as the tools choose them for this device.
engine::MemoryPlanOptions ingest_plan(const Bench& bench);
engine::MemoryPlanOptions dialog_plan(const Bench& bench);

}  // namespace memlong::bench_tool
