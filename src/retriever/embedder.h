// Text to a vector: chunks and queries go through the same embedder.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "retriever/sentence_encoder.h"
#include "tensor/context.h"
#include "tensor/tensor.h"
#include "tokenizer/tokenizer.h"

namespace memlong::retriever {

/// Immutable, thread-safe.
class Embedder {
 public:
  virtual ~Embedder() = default;
  /// As the bank's manifest has it: "sif", "pooled", or "encoder:" and a hash.
  [[nodiscard]] virtual std::string name() const = 0;
  [[nodiscard]] virtual int64_t dim() const = 0;  ///< E
  [[nodiscard]] virtual bool needs_hidden() const = 0;
  /// ids [n]; hidden [n, C] f32, the memory layer's input for these tokens (may be empty unless
  /// needs_hidden()); out [E], of length 1, or zero when nothing can be said (no ids).
  virtual void embed(std::span<const int32_t> ids, const TensorView& hidden,
                     std::span<float> out) const = 0;
};

/// What the `sif` embedder knows of a model's language.
struct SifParameters {
  float a = 1e-4F;
  std::vector<float> token_probability;  ///< [V]
  std::vector<float> component;          ///< [C], length 1 (or zero: none removed)
  /// [V, C]: what a token adds to a mean, where that was learnt; empty: its weighted embedding.
  std::vector<float> vectors;
  [[nodiscard]] std::string serialize() const;                ///< for the bank's manifest
  static SifParameters deserialize(const std::string& blob);  ///< Errors: corrupt
};

/// `folder`/sif.safetensors (`token_probability` [V], `component` [C], `token_vectors` [V, C] or
/// none); nothing when there is no such file. Errors: format, when shapes do not fit.
std::optional<SifParameters> load_sif(const std::filesystem::path& folder, int64_t vocab,
                                      int64_t hidden);

/// Writes such a file, vectors as f16. Errors: io.
void save_sif(const std::filesystem::path& file, const SifParameters& parameters);

/// Estimates them from text: probabilities with add-one smoothing over `ids`, the component as the
/// first uncentred principal component of the weighted means of its chunks of `chunk` tokens.
/// table [V, C]: the model's token embeddings. Deterministic.
SifParameters estimate_sif(Context& context, const TensorView& table, std::span<const int32_t> ids,
                           int64_t chunk);

/// The component of that for given probabilities.
std::vector<float> sif_component(const TensorView& table, std::span<const float> probability,
                                 std::span<const int32_t> ids, int64_t chunk);

/// What can be said of a language by its tokenizer alone: probabilities [V] after Zipf, where
/// tokenizers number tokens by how often they were met; the characters, which some of them put
/// last, have a law of their own. Special tokens have what the least likely one has. Deterministic.
std::vector<float> prior_probability(const tokenizer::Tokenizer& tokens, int64_t vocab);

/// The component where there is no text: the direction of the mean row, each weighted as the
/// embedder does it and by its probability, over the 16,384 likeliest tokens. Deterministic.
std::vector<float> prior_component(const TensorView& table, std::span<const float> probability);

/// Smooth inverse frequency (Arora et al., ICLR 2017): the mean of token embeddings, each row of
/// `table` [V, C] normalised to length 1 first, weighted a / (a + p(token)), less its projection on
/// the component, normalised. Where the parameters have vectors, the mean is that of these, and
/// they are copied; else the table, in main memory, is read where it lies, and `owner` keeps it.
std::shared_ptr<const Embedder> make_sif_embedder(const TensorView& table,
                                                  const SifParameters& parameters,
                                                  std::shared_ptr<const void> owner = nullptr);
inline std::shared_ptr<const Embedder> make_sif_embedder(Context& /*context*/,
                                                         const TensorView& table,
                                                         const SifParameters& parameters) {
  return make_sif_embedder(table, parameters);
}

/// The mean of the memory layer's input, normalised to length 1.
std::shared_ptr<const Embedder> make_pooled_embedder(int64_t hidden);

/// What opens the name of an embedder that is a sentence encoder; its identity() follows.
inline constexpr std::string_view kEncoderPrefix = "encoder:";
std::string encoder_name(const SentenceEncoder& encoder);

/// What the encoder makes of the ids' text: `tokens` are the backbone's. Special tokens are left
/// out; the parts between them are divided by a space.
std::shared_ptr<const Embedder> make_encoder_embedder(
    std::shared_ptr<const SentenceEncoder> encoder,
    std::shared_ptr<const tokenizer::Tokenizer> tokens);

}  // namespace memlong::retriever
