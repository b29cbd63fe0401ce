// The embedder that goes with a bank.
#pragma once

#include <atomic>
#include <memory>
#include <string_view>
#include <vector>

#include "engine/loaded_model.h"
#include "membank/bank.h"
#include "retriever/embedder.h"
#include "tensor/context.h"

namespace memlong::engine {

/// With what the bank knows of the language (`sif`), else with what the model does; null where
/// neither knows it. `bank` may be null.
std::shared_ptr<const retriever::Embedder> bank_embedder(Context& context, const LoadedModel& model,
                                                         const membank::Bank* bank);

/// `known` where it is settled; else one for the language of `text` (make_sif_blob), kept in the
/// bank where that is open for writing and has none. Errors: those of make_sif_blob and of the
/// bank.
std::shared_ptr<const retriever::Embedder> settle_embedder(
    Context& context, const LoadedModel& model, membank::Bank* bank,
    std::shared_ptr<const retriever::Embedder> known, std::string_view text);

/// The same, from what bank and model know.
std::shared_ptr<const retriever::Embedder> settle_embedder(Context& context,
                                                           const LoadedModel& model,
                                                           membank::Bank* bank,
                                                           std::string_view text);

/// What a text is searched with, as documents are cut and embedded: a vector [E] a chunk. The
/// network reads it only where the embedder needs hidden states. `stop`, null or where it becomes
/// true, ends it. Errors: stopped.
std::vector<std::vector<float>> text_vectors(
    Context& context, const std::shared_ptr<const LoadedModel>& model,
    const std::shared_ptr<const retriever::Embedder>& embedder, std::string_view text,
    const std::atomic<bool>* stop = nullptr);

}  // namespace memlong::engine
