// memlong-train merge: model and adapter become one plain model folder, or one adapter of full
// layers. --share takes weights between the untuned and the tuned ones (arXiv 2109.01903).
#include <algorithm>
#include <filesystem>

#include <nlohmann/json.hpp>

#include "common/error.h"
#include "model/adapter_folder.h"
#include "model/safetensors.h"
#include "model/weights.h"
#include "ops/copy.h"
#include "tools/common/output.h"
#include "tools/common/text.h"
#include "tools/memlong-train/arguments.h"
#include "tools/memlong-train/model_folder.h"

namespace memlong::train_tool {
namespace {

namespace fs = std::filesystem;

constexpr const char* kUpperFile = "upper_layers.safetensors";

struct Merged {
  model::ModelConfig config;
  model::MemorySettings settings;
  model::WeightStore store;
  DType dtype;
};

void refuse_what_is_there(const fs::path& out) {
  std::error_code ignored;
  if (fs::exists(out / "config.json", ignored)) {
    fail(ErrorKind::usage, "--out: " + out.string() + " holds a model already");
  }
  if (fs::exists(out / kUpperFile, ignored)) {
    fail(ErrorKind::usage, "--out: " + out.string() + " holds an adapter already");
  }
}

/// Tensors that do not write memory, in the model's order.
std::vector<std::string> upper_names(const Merged& merged) {
  const auto writer =
      model::writer_tensor_names(merged.store, merged.settings.memory_layer);  // sorted
  std::vector<std::string> names;
  for (const auto& [name, shape] : model::tensor_shapes(merged.config)) {
    if (!std::ranges::binary_search(writer, name)) names.push_back(name);
  }
  return names;
}

/// (1 - share) a + share b, in f32.
Tensor between(Context& context, const TensorView& a, const TensorView& b, float share) {
  Tensor sum = ops::convert(context, a, DType::f32);
  const Tensor other = ops::convert(context, b, DType::f32);
  float* out = sum.data<float>();
  const float* theirs = other.data<float>();
  const int64_t count = sum.view().elements();
  for (int64_t i = 0; i < count; ++i) out[i] = (1.0F - share) * out[i] + share * theirs[i];
  return sum;
}

void take_share(Context& context, const fs::path& folder, double share, Merged& merged) {
  const model::WeightStore untuned = model::WeightStore::open(folder);
  for (const std::string& name : upper_names(merged)) {
    merged.store.replace(name, between(context, untuned.get(name), merged.store.get(name),
                                       static_cast<float>(share)));
  }
}

void write_upper(Context& context, const fs::path& out, const Merged& merged) {
  std::vector<Tensor> owned;
  std::vector<std::pair<std::string, TensorView>> tensors;
  for (const std::string& name : upper_names(merged)) {
    owned.push_back(ops::convert(context, merged.store.get(name), merged.dtype));
    tensors.emplace_back(name, owned.back());
  }
  fs::create_directories(out);
  model::write_safetensors(out / kUpperFile, tensors, {{"format", "pt"}});
}

void write_model(Context& context, const fs::path& from, const fs::path& out,
                 const Merged& merged) {
  write_model_folder(context, out,
                     {.source = from,
                      .config = merged.config,
                      .settings = merged.settings,
                      .dtype = merged.dtype,
                      .tensor = [&](const std::string& name) { return merged.store.get(name); },
                      .more =
                          [&](const fs::path& folder) {
                            const fs::path sif = from / "sif.safetensors";
                            std::error_code ignored;
                            if (fs::exists(sif, ignored))
                              fs::copy_file(sif, folder / "sif.safetensors");
                          }});
}

}  // namespace

int merge_adapter(const Arguments& arguments) {
  const tools::CommonOptions& common = arguments.common;
  if (common.model.empty()) fail(ErrorKind::usage, "--model DIR is missing");
  refuse_what_is_there(arguments.out);
  if (arguments.merge_upper) {
    model::check_adapter_folder(arguments.out, model::AdapterKind::upper);
  }
  const model::ModelConfig config = model::load_config(common.model);
  const model::MemorySettings settings = tools::resolve_settings(common, config);
  if (settings.adapter.empty()) {
    fail(ErrorKind::usage,
         "--adapter DIR is missing: " + common.model.string() + " names none of its own");
  }
  Context context({.threads = common.threads});
  Merged merged{.config = config,
                .settings = settings,
                .store = model::WeightStore::open(common.model),
                .dtype = DType::f32};
  merged.store.overlay_upper(settings.adapter, config, settings.memory_layer);
  merged.dtype = arguments.merge_dtype.empty()
                     ? merged.store.get("model.embed_tokens.weight").dtype()
                     : parse_dtype(arguments.merge_dtype);
  if (arguments.merge_share < 1.0) {
    take_share(context, common.model, arguments.merge_share, merged);
  }
  if (arguments.merge_upper) {
    write_upper(context, arguments.out, merged);
  } else {
    write_model(context, common.model, arguments.out, merged);
  }
  if (common.json) {
    tools::print_json({{"path", arguments.out.string()},
                       {"adapter", settings.adapter.string()},
                       {"share", arguments.merge_share},
                       {"dtype", dtype_name(merged.dtype)}});
  } else {
    tools::print_out(tools::key_values({{"written", arguments.out.string()},
                                        {"adapter", settings.adapter.string()},
                                        {"dtype", std::string(dtype_name(merged.dtype))}}));
  }
  return 0;
}

}  // namespace memlong::train_tool
