// What the `sif` embedder knows of a language, where the model folder does not say it.
#include <algorithm>

#include "engine/loaded_model.h"

namespace memlong::engine {
namespace {

/// Less text than this says less of a language than the tokenizer's own order. What is estimated
/// from more counts beside that order as so many tokens.
constexpr size_t kLeastTokens = 16384;

/// Tokens that every chunk of a dialog has tell none of them apart: special ones, and what the
/// template puts around a message.
void silence_marks(const LoadedModel& model, std::vector<float>& probability) {
  const auto silence = [&probability](int32_t id) {
    const auto index = static_cast<size_t>(id);
    if (id >= 0 && index < probability.size()) probability[index] = 1.0F;
  };
  for (int32_t id = 0; id < model.tokens->vocab_size(); ++id) {
    if (model.tokens->is_special(id)) silence(id);
  }
  if (model.chat == nullptr) return;
  for (const int32_t id : model.chat->encode({"user", ""}, 2, "assistant").ids) silence(id);
  for (const int32_t id : model.chat->encode({"assistant", ""}, 3, "user").ids) silence(id);
}

/// probability := (counts + kLeastTokens probability) / (n + kLeastTokens)
void add_counts(std::span<const int32_t> ids, std::vector<float>& probability) {
  std::vector<double> counts(probability.size(), 0.0);
  for (const int32_t id : ids) counts.at(static_cast<size_t>(id)) += 1.0;
  const double all = static_cast<double>(ids.size() + kLeastTokens);
  for (size_t i = 0; i < counts.size(); ++i) {
    probability[i] =
        static_cast<float>((counts[i] + static_cast<double>(kLeastTokens) * probability[i]) / all);
  }
}

retriever::SifParameters language_of(const LoadedModel& model, std::span<const int32_t> ids) {
  const TensorView& table = model.weights->embedding;
  const bool enough = ids.size() >= kLeastTokens;
  retriever::SifParameters parameters;
  std::vector<float>& probability = parameters.token_probability;
  probability = retriever::prior_probability(*model.tokens, table.dim(0));
  if (enough) add_counts(ids, probability);
  silence_marks(model, probability);
  parameters.component =
      enough ? retriever::sif_component(table, probability, ids, model.settings.chunk)
             : retriever::prior_component(table, probability);
  return parameters;
}

}  // namespace

std::string make_sif_blob(const LoadedModel& model, std::span<const int32_t> ids) {
  const auto known = retriever::load_sif(model.folder, model.config.vocab, model.config.hidden);
  return (known ? *known : language_of(model, ids)).serialize();
}

}  // namespace memlong::engine
