// Opens what a recipe names: model, data, sources, held-out sets.
#pragma once

#include <memory>
#include <vector>

#include "engine/loaded_model.h"
#include "tensor/context.h"
#include "tools/memlong-train/arguments.h"
#include "train/corpus.h"
#include "train/trainer.h"

namespace memlong::train_tool {

/// The model that a run starts from: settings, tokenizer, weights not packed. With lora the model's
/// own adapter is left out. Errors: those of load_model; usage.
std::shared_ptr<const engine::LoadedModel> open_base(Context& context, const Arguments& arguments);

/// Reads texts and dialogs; progress on standard error.
std::shared_ptr<const train::Corpus> read_data(const std::vector<train::DataEntry>& entries,
                                               const engine::LoadedModel& model,
                                               const tools::CommonOptions& common);

/// At most `most` tokens, an equal share of each entry.
std::vector<int32_t> sample_tokens(const train::Corpus& corpus, int64_t most);

struct Sources {
  std::shared_ptr<const train::Corpus> corpus;
  std::unique_ptr<train::BatchSource> training;
  std::vector<train::EvaluationSet> evaluations;
  std::vector<std::shared_ptr<const train::Corpus>> held_out;  ///< of these
};
/// Reads all data of the recipe.
Sources open_sources(Context& context, const Arguments& arguments,
                     const std::shared_ptr<const engine::LoadedModel>& model);

}  // namespace memlong::train_tool
