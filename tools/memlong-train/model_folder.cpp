#include "tools/memlong-train/model_folder.h"

#include <array>
#include <string_view>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "common/error.h"
#include "common/file.h"
#include "common/fresh_folder.h"
#include "model/safetensors.h"
#include "model/weights.h"
#include "ops/copy.h"

namespace memlong::train_tool {
namespace {

namespace fs = std::filesystem;

constexpr const char* kWeights = "model.safetensors";

/// Tokenizer, generation settings, licences: what belongs to the new model as it did to the old.
bool is_carried_over(const std::string& name) {
  constexpr std::array<std::string_view, 9> kBeginnings = {
      "tokenizer",     "special_tokens_map", "added_tokens", "generation_config",
      "chat_template", "vocab.json",         "merges.txt",   "LICENSE",
      "NOTICE"};
  for (const std::string_view beginning : kBeginnings) {
    if (name.starts_with(beginning)) return true;
  }
  return false;
}

void copy_texts(const fs::path& from, const fs::path& to) {
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(from, error)) {
    const std::string name = entry.path().filename().string();
    if (!entry.is_regular_file() || !is_carried_over(name)) continue;
    fs::copy_file(entry.path(), to / name, fs::copy_options::overwrite_existing, error);
    if (error) {
      fail(ErrorKind::io,
           "cannot copy " + entry.path().string() + " to " + to.string() + ": " + error.message());
    }
  }
}

const char* torch_name(DType dtype) {
  if (dtype == DType::f32) return "float32";
  return dtype == DType::f16 ? "float16" : "bfloat16";
}

/// The source's config.json with the dtype of the new weights.
std::string config_text(const fs::path& source, DType dtype) {
  const fs::path path = source / "config.json";
  auto json = nlohmann::ordered_json::parse(read_file(path), nullptr, false);
  if (!json.is_object()) fail(ErrorKind::format, path.string() + " is not JSON");
  json[json.contains("dtype") ? "dtype" : "torch_dtype"] = torch_name(dtype);
  return json.dump(2) + "\n";
}

}  // namespace

void write_model_folder(Context& context, const fs::path& folder, const ModelFolder& model) {
  FreshFolder fresh(folder);
  const fs::path& path = fresh.path();
  copy_texts(model.source, path);
  write_file_atomic(path / "config.json", config_text(model.source, model.dtype));
  write_file_atomic(path / "memlong.toml", model::settings_text(model.settings));
  std::vector<Tensor> owned;
  std::vector<std::pair<std::string, TensorView>> tensors;
  for (const auto& [name, shape] : model::tensor_shapes(model.config)) {
    const TensorView view = model.tensor(name);
    if (view.dtype() == model.dtype) {
      tensors.emplace_back(name, view);
    } else {
      owned.push_back(ops::convert(context, view, model.dtype));
      tensors.emplace_back(name, owned.back());
    }
  }
  model::write_safetensors(path / kWeights, tensors, {{"format", "pt"}});
  if (model.more) model.more(path);
  fresh.merge(kWeights);
}

}  // namespace memlong::train_tool
