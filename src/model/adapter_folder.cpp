#include "model/adapter_folder.h"

#include <algorithm>
#include <string>
#include <string_view>

#include "common/error.h"

namespace memlong::model {
namespace {

namespace fs = std::filesystem;

bool any_of(std::initializer_list<std::string_view> names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

bool is_in_the_way(const std::string& name, AdapterKind kind) {
  if (kind == AdapterKind::peft) {
    return !any_of({"adapter_config.json", "adapter_model.safetensors", "README.md"}, name);
  }
  return any_of({"adapter_config.json", "adapter_model.safetensors", "adapter_model.bin",
                 "adapter.safetensors"},
                name);
}

}  // namespace

void check_adapter_folder(const fs::path& folder, AdapterKind kind) {
  std::error_code error;
  if (fs::exists(folder, error) && !fs::is_directory(folder, error)) {
    fail(ErrorKind::io, folder.string() + " is in the way of an adapter folder: it is a file");
  }
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    const std::string name = entry.path().filename().string();
    if (!is_in_the_way(name, kind)) continue;
    fail(ErrorKind::io, folder.string() + " is in the way of an adapter folder: it holds " + name +
                            "; name another folder");
  }
}

}  // namespace memlong::model
