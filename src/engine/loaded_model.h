// A model folder, ready to run: weights, tokenizer, settings, writer and side network.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "backbone/weights.h"
#include "backbone/writer.h"
#include "engine/packed_cache.h"
#include "membank/types.h"
#include "model/config.h"
#include "model/memory_settings.h"
#include "model/weights.h"
#include "retriever/embedder.h"
#include "retriever/sentence_encoder.h"
#include "sidenet/side_net.h"
#include "tensor/context.h"
#include "tokenizer/chat_template.h"
#include "tokenizer/tokenizer.h"

namespace memlong::engine {

struct ModelOptions {
  std::filesystem::path folder;
  /// Settings to run with, checked (the adapter to lay over the base is among them); nothing: the
  /// folder's own.
  std::optional<model::MemorySettings> settings = std::nullopt;
  DType dtype = DType::bf16;  ///< f32 or bf16
  bool writer_only = false;   ///< ingest: load nothing above the memory layer's K and V
  /// No dialog is spelled (as with writer_only): `plain` will do where the folder's own chat
  /// template needs tokens that its tokenizer lacks.
  bool text_only = false;
  /// Weights to take instead of the folder's (and no adapter is laid over them).
  std::shared_ptr<const model::WeightStore> store = nullptr;
  /// Training packs its own weights: `weights` has config, store and embedding alone, `writer` and
  /// `side_net` stay null.
  bool pack = true;
  /// Positions that can be computed beyond those of a window, for who measures that.
  int64_t positions = 0;
  /// Where packed weights are kept from start to start (CPU only; not for a store handed in).
  PackedCacheOptions packed_cache = {};
};

/// Immutable after loading and shared by sessions; thread-safe with a Context for each thread.
struct LoadedModel {
  std::filesystem::path folder;
  model::ModelConfig config;
  model::MemorySettings settings;
  std::filesystem::path adapter;  ///< what was laid over the base; empty: nothing
  std::shared_ptr<const model::WeightStore> store;
  std::shared_ptr<const backbone::LlamaWeights> weights;
  std::shared_ptr<const backbone::Writer> writer;    ///< null when not packed
  std::shared_ptr<const sidenet::SideNet> side_net;  ///< null when not packed, or writer_only
  std::shared_ptr<const tokenizer::Tokenizer> tokens;
  std::shared_ptr<const tokenizer::ChatTemplate> chat;
  std::shared_ptr<const retriever::SentenceEncoder> encoder;  ///< null: another embedder
  std::string writer_hash;                                    ///< hex

  /// Tokens of a window that belong to the stream (W, less one where every window opens with BOS).
  [[nodiscard]] int64_t window_capacity() const {
    return settings.window - (settings.window_bos ? 1 : 0);
  }
  /// How far one window's start lies behind the one before.
  [[nodiscard]] int64_t window_stride() const { return window_capacity() - settings.overlap; }
  /// Where the window begins that holds the last of the first `size` tokens of a stream.
  [[nodiscard]] int64_t window_of(int64_t size) const {
    const int64_t beyond = size - window_capacity();
    return beyond <= 0 ? 0 : (beyond + window_stride() - 1) / window_stride() * window_stride();
  }
  /// What a bank written with this model is bound to.
  [[nodiscard]] membank::Fingerprint fingerprint(DType kv_dtype = DType::bf16) const;
};

/// Errors: those of its parts; config, mismatch.
std::shared_ptr<const LoadedModel> load_model(Context& context, const ModelOptions& options);

/// The sentence encoder that the settings name; null where their embedder is another. Errors: those
/// of retriever::load_sentence_encoder.
std::shared_ptr<const retriever::SentenceEncoder> load_encoder(
    const Context& context, const model::MemorySettings& settings, DType dtype);

/// The embedder for this model. `sif_blob`: the parameters stored with the bank (blob "sif"), may
/// be empty; else the model folder's sif.safetensors; else null, and the caller has make_sif_blob()
/// make them, and stores them where there is a bank.
std::shared_ptr<const retriever::Embedder> make_embedder(Context& context, const LoadedModel& model,
                                                         const std::string& sif_blob = {});

/// Parameters of `sif` as a blob for the bank: from sif.safetensors; else from `ids`, the text that
/// the bank is made for, where those are 16,384 or more; else (a first message decides nothing)
/// what the model's tokenizer and embedding say alone, the same for every bank of a model.
std::string make_sif_blob(const LoadedModel& model, std::span<const int32_t> ids);

}  // namespace memlong::engine
