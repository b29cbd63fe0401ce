// The source of batches that a run's options ask for.
#pragma once

#include <memory>

#include "engine/loaded_model.h"
#include "retriever/embedder.h"
#include "tensor/context.h"
#include "train/corpus.h"
#include "train/data_options.h"
#include "train/source.h"

namespace memlong::train {

/// Items are cut from `corpus` (read_corpus(options.entries, ...)), for the windows, chunks and
/// retrieval of `model`, of which only config and settings are looked at. `embedder` may be null
/// unless the form is streams; it must work on text alone (needs_hidden() false). The context is
/// kept and used by streams. Errors: usage, for options that do not fit each other or the window;
/// config, for the embedder; format, where data hold nothing that fits the form.
std::unique_ptr<BatchSource> make_source(Context& context, std::shared_ptr<const Corpus> corpus,
                                         const DataOptions& options,
                                         std::shared_ptr<const engine::LoadedModel> model,
                                         std::shared_ptr<const retriever::Embedder> embedder);

}  // namespace memlong::train
