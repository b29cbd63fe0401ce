// memlong-train merge: model and adapter become one plain model folder.
#include <filesystem>

#include <nlohmann/json.hpp>

#include "common/error.h"
#include "model/weights.h"
#include "tools/common/output.h"
#include "tools/common/text.h"
#include "tools/memlong-train/arguments.h"
#include "tools/memlong-train/model_folder.h"

namespace memlong::train_tool {
namespace {

namespace fs = std::filesystem;

void refuse_model_there(const fs::path& out) {
  std::error_code ignored;
  if (!fs::exists(out / "config.json", ignored)) return;
  fail(ErrorKind::usage, "--out: " + out.string() + " holds a model already");
}

}  // namespace

int merge_adapter(const Arguments& arguments) {
  const tools::CommonOptions& common = arguments.common;
  if (common.model.empty()) fail(ErrorKind::usage, "--model DIR is missing");
  refuse_model_there(arguments.out);
  const model::ModelConfig config = model::load_config(common.model);
  const model::MemorySettings settings = tools::resolve_settings(common, config);
  if (settings.adapter.empty()) {
    fail(ErrorKind::usage,
         "--adapter DIR is missing: " + common.model.string() + " names none of its own");
  }
  Context context({.threads = common.threads});
  model::WeightStore store = model::WeightStore::open(common.model);
  store.overlay_upper(settings.adapter, config, settings.memory_layer);
  const DType dtype = arguments.merge_dtype.empty() ? store.get("model.embed_tokens.weight").dtype()
                                                    : parse_dtype(arguments.merge_dtype);
  write_model_folder(context, arguments.out,
                     {.source = common.model,
                      .config = config,
                      .settings = settings,
                      .dtype = dtype,
                      .tensor = [&](const std::string& name) { return store.get(name); }});
  const fs::path sif = common.model / "sif.safetensors";
  std::error_code ignored;
  if (fs::exists(sif, ignored)) {
    fs::copy_file(sif, arguments.out / "sif.safetensors", fs::copy_options::overwrite_existing);
  }
  if (common.json) {
    tools::print_json({{"path", arguments.out.string()},
                       {"adapter", settings.adapter.string()},
                       {"dtype", dtype_name(dtype)}});
  } else {
    tools::print_out(tools::key_values({{"written", arguments.out.string()},
                                        {"adapter", settings.adapter.string()},
                                        {"dtype", std::string(dtype_name(dtype))}}));
  }
  return 0;
}

}  // namespace memlong::train_tool
