#include "tools/memlong-train/artifact.h"

#include <algorithm>
#include <map>
#include <set>

#include "common/error.h"
#include "common/hash.h"
#include "model/adapter_folder.h"
#include "model/config.h"
#include "model/peft.h"
#include "model/safetensors.h"
#include "model/weights.h"
#include "ops/copy.h"
#include "tools/memlong-train/model_folder.h"

namespace memlong::train_tool {
namespace {

namespace fs = std::filesystem;
using train::NamedTensors;

constexpr const char* kSifFile = "sif.safetensors";
constexpr int64_t kSifTokens = 4'000'000;

/// Tensors of another dtype, with what owns them.
struct Saved {
  std::vector<Tensor> owned;
  NamedTensors tensors;

  void add(Context& context, const std::string& name, const TensorView& view, DType dtype) {
    owned.push_back(ops::convert(context, view, dtype));
    tensors.emplace_back(name, owned.back());
  }
};

bool is_lora(const std::string& name) {
  return name.ends_with(".lora_A.weight") || name.ends_with(".lora_B.weight");
}

/// What was trained; and where the run began with an adapter, all that this one may have brought.
void write_upper(Context& context, const engine::LoadedModel& base, const NamedTensors& parameters,
                 DType dtype, const fs::path& folder) {
  Saved saved;
  std::set<std::string> done;
  for (const auto& [name, view] : parameters) {
    saved.add(context, name, view, dtype);
    done.insert(name);
  }
  if (!base.adapter.empty()) {
    const auto writer = model::writer_tensor_names(*base.store, base.settings.memory_layer);
    for (const auto& [name, shape] : model::tensor_shapes(base.config)) {
      if (done.contains(name) || std::binary_search(writer.begin(), writer.end(), name)) continue;
      saved.add(context, name, base.store->get(name), dtype);
    }
  }
  fs::create_directories(folder);
  model::write_safetensors(folder / "upper_layers.safetensors", saved.tensors, {{"format", "pt"}});
}

void write_lora(Context& context, const Arguments& arguments, const NamedTensors& parameters,
                DType dtype, const fs::path& folder) {
  Saved lora;
  Saved full;
  for (const auto& [name, view] : parameters) {
    (is_lora(name) ? lora : full).add(context, name, view, dtype);
  }
  const train::LoraOptions& options = arguments.recipe.network.lora;
  model::write_peft_adapter(folder, {.rank = options.rank,
                                     .alpha = options.alpha,
                                     .base_model = arguments.common.model.string(),
                                     .lora = lora.tensors,
                                     .full = full.tensors});
}

bool has_sif(const engine::LoadedModel& base) { return base.settings.embedder == "sif"; }

/// From the embeddings that were trained.
void write_sif_file(Context& context, const fs::path& folder, const std::vector<int32_t>& ids,
                    int64_t chunk) {
  const model::WeightStore store = model::WeightStore::open(folder);
  const TensorView table = store.get("model.embed_tokens.weight");
  retriever::save_sif(folder / kSifFile, retriever::estimate_sif(context, table, ids, chunk));
}

void write_all(Context& context, const Arguments& arguments, const engine::LoadedModel& base,
               const NamedTensors& parameters, DType dtype, const fs::path& folder,
               const TokenSample& sample) {
  const std::map<std::string, TensorView> trained(parameters.begin(), parameters.end());
  write_model_folder(context, folder,
                     {.source = arguments.common.model,
                      .config = base.config,
                      .settings = base.settings,
                      .dtype = dtype,
                      .tensor =
                          [&](const std::string& name) {
                            const auto found = trained.find(name);
                            return found != trained.end() ? found->second : base.store->get(name);
                          },
                      .more =
                          [&](const fs::path& path) {
                            if (!has_sif(base)) return;
                            write_sif_file(context, path, sample(kSifTokens), base.settings.chunk);
                          }});
}

fs::path place_of(train::TrainPart part, const fs::path& out) {
  return out / (part == train::TrainPart::all ? "model" : "adapter");
}

/// Of the model as it would be opened with the artefact.
std::string writer_of(const engine::LoadedModel& base, train::TrainPart part,
                      const fs::path& path) {
  const int64_t layer = base.settings.memory_layer;
  if (part == train::TrainPart::all) {
    return to_hex(model::writer_hash(base.config, model::WeightStore::open(path), layer));
  }
  model::WeightStore store = model::WeightStore::open(base.folder);
  store.overlay_upper(path, base.config, layer);
  return to_hex(model::writer_hash(base.config, store, layer));
}

}  // namespace

void check_artifact_place(const Arguments& arguments, const fs::path& out) {
  const train::TrainPart part = arguments.recipe.network.part;
  const fs::path place = place_of(part, out);
  std::error_code ignored;
  if (part == train::TrainPart::upper) {
    model::check_adapter_folder(place, model::AdapterKind::upper);
  } else if (part == train::TrainPart::lora) {
    model::check_adapter_folder(place, model::AdapterKind::peft);
  } else if (fs::equivalent(place, arguments.common.model, ignored)) {
    fail(ErrorKind::usage,
         "--out: " + place.string() +
             " would be written over the model that the run begins with; name another folder");
  }
}

Artifact write_artifact(Context& context, const Arguments& arguments,
                        const engine::LoadedModel& base, const NamedTensors& parameters,
                        const fs::path& out, const TokenSample& sample) {
  check_artifact_place(arguments, out);
  const train::TrainPart part = arguments.recipe.network.part;
  const DType dtype = parse_dtype(arguments.recipe.save_dtype);
  Artifact artifact{.path = place_of(part, out), .writer = {}};
  if (part == train::TrainPart::upper) {
    write_upper(context, base, parameters, dtype, artifact.path);
  } else if (part == train::TrainPart::lora) {
    write_lora(context, arguments, parameters, dtype, artifact.path);
  } else {
    write_all(context, arguments, base, parameters, dtype, artifact.path, sample);
  }
  artifact.writer = writer_of(base, part, artifact.path);
  return artifact;
}

std::optional<Artifact> find_artifact(const Arguments& arguments, const engine::LoadedModel& base,
                                      const fs::path& out) {
  const train::TrainPart part = arguments.recipe.network.part;
  Artifact artifact{.path = place_of(part, out), .writer = {}};
  std::error_code ignored;
  if (!fs::exists(artifact.path, ignored)) return std::nullopt;
  if (part == train::TrainPart::all && has_sif(base) &&
      !fs::exists(artifact.path / kSifFile, ignored)) {
    return std::nullopt;
  }
  try {
    if (part == train::TrainPart::all) (void)model::load_config(artifact.path);
    artifact.writer = writer_of(base, part, artifact.path);
  } catch (const Error&) {
    return std::nullopt;
  }
  return artifact;
}

NamedTensors named(const std::vector<train::Parameter>& parameters) {
  NamedTensors tensors;
  for (const train::Parameter& parameter : parameters) {
    tensors.emplace_back(parameter.name, parameter.value);
  }
  std::sort(tensors.begin(), tensors.end(),
            [](const auto& a, const auto& b) { return a.first < b.first; });
  return tensors;
}

std::string writer_remark(const Artifact& artifact, const engine::LoadedModel& base) {
  const std::string shown = artifact.writer.substr(0, 16);
  if (artifact.writer == base.writer_hash) {
    return "writer " + shown + ", unchanged: banks of the model stay valid";
  }
  return "writer " + shown + ", was " + base.writer_hash.substr(0, 16) +
         ": banks of the old model will not open with the new one";
}

}  // namespace memlong::train_tool
