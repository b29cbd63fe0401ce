#include "engine/loaded_model.h"

#include <algorithm>
#include <future>
#include <utility>

#include "common/error.h"
#include "common/hash.h"
#include "common/log.h"
#include "ops/matmul.h"

namespace memlong::engine {
namespace {

/// A model's table may be a little larger than its tokenizer: rows are added until their number
/// suits the hardware. A tokenizer that leaves out more than an eighth is another model's.
void check_vocabulary(const std::string& folder, int64_t tokens, int64_t rows) {
  constexpr int64_t kSpareRows = 1024;
  if (tokens <= rows && rows - tokens <= std::max(kSpareRows, rows / 8)) return;
  fail(ErrorKind::mismatch, folder + ": the tokenizer has " + std::to_string(tokens) +
                                " tokens, the model " + (tokens > rows ? "only " : "") +
                                std::to_string(rows) + "; they do not belong together");
}

/// Which token opens a text, and whether one does, the tokenizer knows better than config.json.
void take_bos(const std::string& folder, LoadedModel& loaded) {
  const int32_t bos = loaded.tokens->bos();
  int32_t& named = loaded.config.bos;
  if (bos >= 0 && bos != named) {
    if (named >= 0) {
      log::warn(folder + ": config.json names " + std::to_string(named) +
                " as bos_token_id, the tokenizer " + std::to_string(bos) + ", which is taken");
    }
    named = bos;
  }
  bool& opens = loaded.settings.window_bos;
  if (named < 0) {
    opens = false;
  } else if (!loaded.settings.window_bos_said && opens != loaded.tokens->adds_bos()) {
    opens = !opens;
    log::info(folder + ": the tokenizer puts " + (opens ? "BOS" : "no BOS") +
              " before a text, and so do windows (--window-bos or [window] bos say otherwise)");
  }
}

void load_text_side(const ModelOptions& options, LoadedModel& loaded) {
  loaded.tokens = tokenizer::load_tokenizer(options.folder);
  check_vocabulary(options.folder.string(), loaded.tokens->vocab_size(), loaded.config.vocab);
  take_bos(options.folder.string(), loaded);
  std::string name = loaded.settings.chat_template;
  const bool asked = !name.empty();
  if (!asked) name = tokenizer::recognise_chat_template(options.folder);
  try {
    loaded.chat = tokenizer::make_chat_template(name, loaded.tokens, loaded.config.eos);
  } catch (const Error& error) {
    const bool text_only = options.text_only || options.writer_only;
    if (asked || !text_only || error.kind() != ErrorKind::config) throw;
    log::warn(std::string(error.what()) + "; plain is taken, as no dialog is read");
    loaded.chat = tokenizer::make_chat_template("plain", loaded.tokens, loaded.config.eos);
  }
}

/// The folder's weights with the adapter over them, or those that were handed in.
void load_store(const ModelOptions& options, LoadedModel& loaded) {
  if (options.store != nullptr) {
    loaded.store = options.store;
    return;
  }
  auto store = std::make_shared<model::WeightStore>(model::WeightStore::open(options.folder));
  if (!options.writer_only) loaded.adapter = loaded.settings.adapter;
  if (!loaded.adapter.empty()) {
    store->overlay_upper(loaded.adapter, loaded.config, loaded.settings.memory_layer);
  }
  loaded.store = std::move(store);
}

/// What training starts from: nothing is packed.
void load_unpacked(const ModelOptions& options, LoadedModel& loaded) {
  auto weights = std::make_shared<backbone::LlamaWeights>();
  weights->config = loaded.config;
  weights->dtype = options.dtype;
  weights->store = loaded.store;
  weights->embedding = loaded.store->get("model.embed_tokens.weight");
  loaded.weights = std::move(weights);
}

void load_networks(Context& context, const ModelOptions& options, LoadedModel& loaded,
                   ops::PackedStorage* storage) {
  const int64_t layer = loaded.settings.memory_layer;
  loaded.weights = backbone::load_weights(context, loaded.store, loaded.config, options.dtype,
                                          std::max(loaded.settings.window, options.positions),
                                          options.writer_only ? layer : -1, storage);
  loaded.writer = std::make_shared<backbone::Writer>(loaded.weights, layer);
  if (options.writer_only) return;
  loaded.side_net =
      std::make_shared<sidenet::SideNet>(loaded.weights, layer, loaded.settings.reading_layers);
}

/// Weights that were packed at an earlier start. False when there are none that fit.
bool load_kept(Context& context, const ModelOptions& options, const PackedCache& cache,
               LoadedModel& loaded) {
  const auto kept = cache.find();
  if (kept == nullptr) return false;
  try {
    load_networks(context, options, loaded, kept.get());
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::mismatch) throw;
    log::info(std::string(error.what()) + "; packing anew");
    return false;
  }
  if (!cache.unchanged()) {
    log::warn(options.folder.string() + " changed while it was read; packing anew");
    return false;
  }
  kept->fetch(context);
  loaded.writer_hash = kept->about().writer;
  return true;
}

/// Packs, into a file that is kept where that is wanted and possible.
void load_packed(Context& context, const ModelOptions& options, const PackedCache& cache,
                 LoadedModel& loaded) {
  // One thread's work over half of the weights: beside the packing, which reads them too.
  std::future<Digest> hash = std::async([&loaded] {
    return model::writer_hash(loaded.config, *loaded.store, loaded.settings.memory_layer);
  });
  // Half a model is not kept: who reads only is to find the whole one that others keep.
  auto file = options.writer_only ? nullptr : cache.make();
  try {
    load_networks(context, options, loaded, file.get());
  } catch (const Error& error) {
    const bool disk = error.kind() == ErrorKind::capacity || error.kind() == ErrorKind::io;
    if (file == nullptr || !disk) throw;
    log::warn(std::string("packed weights are not kept: ") + error.what());
    file = nullptr;
    load_networks(context, options, loaded, nullptr);
  }
  loaded.writer_hash = to_hex(hash.get());
  if (file != nullptr && !cache.keep(*file, loaded.writer_hash)) {
    load_networks(context, options, loaded, nullptr);  // pages that were not written may be lost
  }
}

}  // namespace

membank::Fingerprint LoadedModel::fingerprint(DType kv_dtype) const {
  membank::Fingerprint fingerprint;
  fingerprint.tokenizer = to_hex(tokens->hash());
  fingerprint.writer = writer_hash;
  fingerprint.memory_layer = static_cast<int32_t>(settings.memory_layer);
  fingerprint.kv_heads = static_cast<int32_t>(config.kv_heads);
  fingerprint.head_dim = static_cast<int32_t>(config.head_dim);
  fingerprint.chunk_tokens = static_cast<int32_t>(settings.chunk);
  fingerprint.kv_dtype = kv_dtype;
  fingerprint.embedder = encoder == nullptr ? settings.embedder : retriever::encoder_name(*encoder);
  fingerprint.embedder_dim =
      static_cast<int32_t>(encoder == nullptr ? config.hidden : encoder->dim());
  return fingerprint;
}

std::shared_ptr<const LoadedModel> load_model(Context& context, const ModelOptions& options) {
  auto loaded = std::make_shared<LoadedModel>();
  loaded->folder = options.folder;
  loaded->config = model::load_config(options.folder);
  loaded->settings = options.settings ? *options.settings
                                      : model::find_settings(options.folder, loaded->config, {});
  model::check_settings(loaded->settings, loaded->config);

  const bool kept = options.pack && options.store == nullptr && context.device() == Device::cpu;
  // Before the files are opened: what they are packed from is what they were then, or nothing.
  const PackedCache cache(kept ? options.packed_cache : PackedCacheOptions(),
                          {.model = options.folder,
                           .adapter = loaded->settings.adapter,
                           .dtype = options.dtype,
                           .memory_layer = loaded->settings.memory_layer,
                           .threads = context.threads()});
  load_store(options, *loaded);
  load_text_side(options, *loaded);
  loaded->encoder = load_encoder(context, loaded->settings, options.dtype);
  if (!options.pack) {
    load_unpacked(options, *loaded);
    loaded->writer_hash =
        to_hex(model::writer_hash(loaded->config, *loaded->store, loaded->settings.memory_layer));
    return loaded;
  }
  if (!load_kept(context, options, cache, *loaded)) load_packed(context, options, cache, *loaded);
  return loaded;
}

std::shared_ptr<const retriever::SentenceEncoder> load_encoder(
    const Context& context, const model::MemorySettings& settings, DType dtype) {
  if (settings.embedder != "encoder") return nullptr;
  return retriever::load_sentence_encoder(
      {.folder = settings.encoder, .dtype = dtype, .threads = context.threads()});
}

std::shared_ptr<const retriever::Embedder> make_embedder(Context& /*context*/,
                                                         const LoadedModel& model,
                                                         const std::string& sif_blob) {
  if (model.settings.embedder == "pooled") {
    return retriever::make_pooled_embedder(model.config.hidden);
  }
  if (model.settings.embedder == "encoder") {
    MEMLONG_CHECK(model.encoder != nullptr, "a model that was loaded without its encoder");
    return retriever::make_encoder_embedder(model.encoder, model.tokens);
  }
  if (!sif_blob.empty()) {
    const auto parameters = retriever::SifParameters::deserialize(sif_blob);
    return retriever::make_sif_embedder(model.weights->embedding, parameters, model.weights);
  }
  const auto parameters =
      retriever::load_sif(model.folder, model.config.vocab, model.config.hidden);
  if (!parameters) return nullptr;
  return retriever::make_sif_embedder(model.weights->embedding, *parameters, model.weights);
}

}  // namespace memlong::engine
