#include "tools/memlong-train/recipe.h"

#include "common/error.h"
#include "common/file.h"
#include "common/hash.h"
#include "common/json_depth.h"
#include "tools/common/output.h"
#include "tools/common/text.h"

namespace memlong::train_tool {
namespace {

using nlohmann::ordered_json;

constexpr const char* kSif = "sif";  // the last entry: runs of older programs go on without it

/// Over all tensors in use, adapter included: name, dtype, shape, bytes.
std::string weights_hash(const model::WeightStore& store) {
  Sha256 hash;
  for (const std::string& name : store.names()) {
    const TensorView view = store.get(name);
    hash.update(name + " " + std::string(dtype_name(view.dtype())) + view.shape().to_string());
    hash.update({static_cast<const std::byte*>(view.raw()), view.bytes()});
  }
  return to_hex(hash.finish());
}

void put_network(ordered_json& json, const Recipe& recipe) {
  json["train"] = recipe.words.part;
  json["seed"] = recipe.seed;
  json["tune-memory-layer"] = recipe.network.memory_layer;
  json["tune-head"] = recipe.network.head;
  json["dtype"] = dtype_name(recipe.network.dtype);
  if (recipe.network.part != train::TrainPart::lora) return;
  json["lora-rank"] = recipe.network.lora.rank;
  json["lora-alpha"] = recipe.network.lora.alpha;
  json["lora-targets"] = recipe.network.lora.targets;
  json["lora-norms"] = recipe.network.lora.norms;
}

void put_data(ordered_json& json, const train::DataOptions& data, const std::string& form) {
  ordered_json entries = ordered_json::array();
  for (const train::DataEntry& entry : data.entries) {
    entries.push_back({static_cast<int>(entry.kind), entry.weight});
  }
  json["data"] = std::move(entries);
  json["form"] = form;
  json["rows"] = data.rows;
  json["span"] = data.span.text();
  json["past"] = data.past.text();
  json["gap"] = data.gap.text();
  json["distractors"] = data.distractors.text();
  json["without-memory"] = data.no_memory.text();
  json["memory-chunks"] = data.memory_chunks.text();
  json["stretch"] = data.stretch;
  json["random-position"] = data.random_position;
  json["weight-text"] = data.weights.text;
  json["weight-user"] = data.weights.user;
  json["weight-assistant"] = data.weights.assistant;
  json["weight-answer"] = data.weights.answer;
  if (data.weights.reply >= 0.0) json["weight-reply"] = data.weights.reply;
}

void put_steps(ordered_json& json, const Recipe& recipe) {
  const train::OptimizerOptions& optimizer = recipe.optimizer;
  json["steps"] = recipe.trainer.steps;
  json["accumulate"] = recipe.trainer.accumulate;
  json["spike"] = recipe.trainer.spike;
  json["optimizer"] = recipe.words.optimizer;
  json["lr"] = optimizer.lr;
  json["warmup"] = optimizer.warmup;
  json["decay"] = recipe.words.decay;
  json["lr-end"] = optimizer.lr_end;
  json["beta1"] = optimizer.beta1;
  json["beta2"] = optimizer.beta2;
  json["eps"] = optimizer.eps;
  json["momentum"] = optimizer.momentum;
  json["weight-decay"] = optimizer.weight_decay;
  json["clip"] = optimizer.clip;
}

void put_model(ordered_json& json, const engine::LoadedModel& model) {
  const model::MemorySettings& settings = model.settings;
  json["weights"] = weights_hash(*model.store);
  json["tokenizer"] = to_hex(model.tokens->hash());
  json["memory-layer"] = settings.memory_layer;
  json["reading-layers"] = settings.reading_layers;
  json["chunk"] = settings.chunk;
  json["top-k"] = settings.top_k;
  json["neighbours"] = settings.neighbours;
  // Runs that were begun before these settings came go on where they are not used.
  const model::MemorySettings unset;
  if (settings.query_chunks != unset.query_chunks) json["query-chunks"] = settings.query_chunks;
  if (settings.recent_chunks != unset.recent_chunks) json["recent-chunks"] = settings.recent_chunks;
  if (settings.recency != unset.recency) json["recency"] = settings.recency;
  json["window"] = settings.window;
  json["overlap"] = settings.overlap;
  json["window-bos"] = settings.window_bos;
  json["embedder"] = model.fingerprint().embedder;
  json["chat-template"] = settings.chat_template;
}

/// Of what finds the chunks of streams. Nothing where the folder has none: it follows from data and
/// weights then.
void put_sif(ordered_json& json, const engine::LoadedModel& model) {
  if (model.settings.embedder != "sif") return;
  const auto sif = retriever::load_sif(model.folder, model.config.vocab, model.config.hidden);
  if (sif) json[kSif] = to_hex(sha256(sif->serialize()));
}

std::string short_value(const ordered_json& value) { return tools::cut(value.dump(), 40); }

}  // namespace

ordered_json identity_of(const Arguments& arguments, const engine::LoadedModel& model) {
  ordered_json json;
  put_network(json, arguments.recipe);
  put_data(json, arguments.recipe.data, arguments.recipe.words.form);
  put_steps(json, arguments.recipe);
  put_model(json, model);
  if (arguments.recipe.data.form == train::ItemForm::streams) put_sif(json, model);
  return json;
}

ordered_json stored_identity(const std::filesystem::path& run) {
  const std::filesystem::path file = run / "run.json";
  std::error_code ignored;
  if (!std::filesystem::exists(file, ignored)) return nullptr;
  const std::string text = read_file(file);
  check_json_depth(text, file.string());
  const auto stored = ordered_json::parse(text, nullptr, false);
  if (!stored.is_object() || !stored.contains("identity")) return nullptr;
  return stored["identity"].is_object() ? stored["identity"] : ordered_json();
}

void take_sif_of(const ordered_json& theirs, ordered_json& ours) {
  ours.erase(kSif);
  if (theirs.contains(kSif)) ours[kSif] = theirs[kSif];
}

std::string fingerprint_of(const ordered_json& identity) {
  return to_hex(sha256(tools::json_text(identity)));
}

std::string differences(const ordered_json& theirs, const ordered_json& ours) {
  std::string out;
  const auto add = [&out](const std::string& text) { out += (out.empty() ? "" : "; ") + text; };
  for (const auto& [key, value] : ours.items()) {
    const ordered_json other = theirs.value(key, ordered_json());
    if (other != value) add(key + " " + short_value(other) + ", not " + short_value(value));
  }
  for (const auto& [key, value] : theirs.items()) {
    if (!ours.contains(key)) add(key + " " + short_value(value));
  }
  return out;
}

void read_recipe(const std::filesystem::path& run, const std::vector<std::string>& over,
                 Arguments& arguments) {
  const std::filesystem::path file = run / "recipe.toml";
  std::error_code error;
  const bool found = std::filesystem::exists(file, error);
  if (error) fail(ErrorKind::io, "cannot open " + file.string() + ": " + error.message());
  if (!found) {
    fail(ErrorKind::usage, run.string() + " is no folder of a run: it has no recipe.toml");
  }
  tools::OptionSet options("memlong-train", "");
  add_options(options, arguments);
  const std::string path = file.string();
  std::vector<const char*> words = {"memlong-train", "run", "--config", path.c_str()};
  for (const std::string& word : over) words.push_back(word.c_str());
  if (!options.parse(static_cast<int>(words.size()), words.data())) return;
  finish_recipe(options, arguments);
}

}  // namespace memlong::train_tool
