#include "engine/bank_embedder.h"

#include <algorithm>
#include <span>
#include <utility>

#include "common/error.h"
#include "engine/encoder.h"

namespace memlong::engine {

std::shared_ptr<const retriever::Embedder> bank_embedder(Context& context, const LoadedModel& model,
                                                         const membank::Bank* bank) {
  return make_embedder(context, model, bank == nullptr ? "" : bank->snapshot()->blob("sif"));
}

std::shared_ptr<const retriever::Embedder> settle_embedder(
    Context& context, const LoadedModel& model, membank::Bank* bank,
    std::shared_ptr<const retriever::Embedder> known, std::string_view text) {
  const bool store = bank != nullptr && bank->writable() && model.settings.embedder == "sif" &&
                     bank->snapshot()->blob("sif").empty();
  if (known != nullptr && !store) return known;
  std::string blob = make_sif_blob(model, model.tokens->encode(text));
  if (store) {
    bank->update([&](membank::Transaction& change) {
      const std::string first = change.blob("sif");  // another thread was quicker
      if (first.empty()) {
        change.set_blob("sif", blob);
      } else {
        blob = first;
      }
    });
  }
  return make_embedder(context, model, blob);
}

std::shared_ptr<const retriever::Embedder> settle_embedder(Context& context,
                                                           const LoadedModel& model,
                                                           membank::Bank* bank,
                                                           std::string_view text) {
  return settle_embedder(context, model, bank, bank_embedder(context, model, bank), text);
}

std::vector<std::vector<float>> text_vectors(
    Context& context, const std::shared_ptr<const LoadedModel>& model,
    const std::shared_ptr<const retriever::Embedder>& embedder, std::string_view text,
    const std::atomic<bool>* stop) {
  const tokenizer::Ids ids = model->tokens->encode(text);
  std::vector<std::vector<float>> vectors;
  Encoder encoder(context, model, embedder, DType::bf16,
                  [&](EncodedChunk&& chunk) { vectors.push_back(std::move(chunk.vector)); });
  encoder.begin();
  const auto chunk = static_cast<size_t>(model->settings.chunk);
  for (size_t begin = 0; begin < ids.size(); begin += chunk) {
    if (stop != nullptr && *stop) fail(ErrorKind::stopped, "stopped");
    const auto part = std::span(ids).subspan(begin, std::min(chunk, ids.size() - begin));
    if (embedder->needs_hidden()) {
      encoder.push(part);
    } else {
      std::vector<float>& vector = vectors.emplace_back(static_cast<size_t>(embedder->dim()));
      embedder->embed(part, {}, vector);
      round_as_stored(vector);
    }
  }
  encoder.finish();
  return vectors;
}

}  // namespace memlong::engine
