// WeightStore::overlay_upper: which kind of adapter a path names, and laying it over the base.
#include <unistd.h>
#include <utility>

#include "common/error.h"
#include "model/overlay_check.h"
#include "model/peft_merge.h"
#include "model/weights.h"

namespace memlong::model {
namespace {

namespace fs = std::filesystem;

bool has_file(const fs::path& path) {
  std::error_code ignored;
  return fs::exists(path, ignored);
}

/// The PEFT folder that `path` is, or one of whose files it is; empty for other adapters.
fs::path peft_folder(const fs::path& path) {
  const fs::path name = path.filename();
  if (name == "adapter_model.safetensors" || name == "adapter_model.bin" ||
      name == "adapter_config.json") {
    return path.has_parent_path() ? path.parent_path() : fs::path(".");
  }
  return has_file(path / "adapter_config.json") ? path : fs::path();
}

bool has_peft_tensors(const fs::path& folder) {
  return has_file(folder / "adapter_model.safetensors") || has_file(folder / "adapter_model.bin");
}

void check_peft_files(const fs::path& folder) {
  if (!has_file(folder / "adapter_config.json")) {
    fail(ErrorKind::format, "PEFT adapter " + folder.string() + " has no adapter_config.json");
  }
  if (has_peft_tensors(folder)) return;
  fail(ErrorKind::format, "PEFT adapter " + folder.string() +
                              " has no adapter_model.safetensors and no adapter_model.bin");
}

/// The file of upper-layer tensors that `path` names: itself, or the first known name in a folder.
fs::path upper_file(const fs::path& path) {
  std::error_code error;
  if (!fs::is_directory(path, error)) return path;
  for (const char* name : {"adapter.safetensors", "upper_layers.safetensors", "model.safetensors",
                           "pytorch_model.bin"}) {
    if (has_file(path / name)) return path / name;
  }
  if (has_peft_tensors(path)) check_peft_files(path);
  if (::access(path.c_str(), X_OK) != 0) fail_errno("cannot look into", path.string());
  fail(ErrorKind::io, "adapter folder " + path.string() +
                          " has no adapter.safetensors, upper_layers.safetensors, "
                          "model.safetensors, pytorch_model.bin or adapter_config.json");
}

}  // namespace

void WeightStore::overlay_upper(const fs::path& path, const ModelConfig& config,
                                int64_t memory_layer) {
  if (const fs::path folder = peft_folder(path); !folder.empty()) {
    check_peft_files(folder);
    for (auto& [name, tensor] : merge_peft(folder, *this, config, memory_layer)) {
      tensors_[name] = tensor.view();
      owned_.push_back(std::move(tensor));
    }
    return;
  }
  const fs::path file = upper_file(path);
  std::shared_ptr<const TensorFile> adapter = open_tensor_file(file);
  const OverlayCheck check(*this, config, memory_layer, file);
  const std::vector<std::string> names = adapter->names();
  if (names.empty()) fail(ErrorKind::mismatch, "adapter " + file.string() + " has no tensors");
  for (const std::string& name : names) {
    const Shape& shape = check.upper_shape(name, name);
    check.tensor(name, adapter->get(name), shape);
  }
  for (const std::string& name : names) tensors_[name] = adapter->get(name);
  files_.push_back(std::move(adapter));
}

}  // namespace memlong::model
