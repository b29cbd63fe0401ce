// The kinds of sources, for make_source, which has checked their options.
#pragma once

#include <memory>
#include <string>

#include <nlohmann/json_fwd.hpp>

#include "train/make_source.h"

namespace memlong::train {

std::unique_ptr<BatchSource> make_plain_source(std::shared_ptr<const Corpus> corpus,
                                               const DataOptions& options,
                                               const engine::LoadedModel& model);
std::unique_ptr<BatchSource> make_pairs_source(std::shared_ptr<const Corpus> corpus,
                                               const DataOptions& options,
                                               const engine::LoadedModel& model);

std::unique_ptr<BatchSource> make_stream_source(
    Context& context, std::shared_ptr<const Corpus> corpus, const DataOptions& options,
    const std::shared_ptr<const engine::LoadedModel>& model,
    const std::shared_ptr<const retriever::Embedder>& embedder);

/// The id that opens every window; -1: none does.
inline int32_t lead_bos(const engine::LoadedModel& model) {
  return model.settings.window_bos ? model.config.bos : -1;
}

/// A state with what it is bound to, and back.
std::string wrap_state(const std::string& form, const Corpus& corpus, const DataOptions& options,
                       const nlohmann::json& state);
/// Errors: mismatch.
nlohmann::json unwrap_state(const std::string& text, const std::string& form, const Corpus& corpus,
                            const DataOptions& options);
/// For a state that unwraps, but does not hold what it should.
[[noreturn]] void refuse_state();

}  // namespace memlong::train
