#include "model/weights.h"

#include <set>
#include <utility>

#include "common/error.h"
#include "common/file.h"
#include "model/json_fields.h"
#include "model/overlay_check.h"

namespace memlong::model {
namespace {

namespace fs = std::filesystem;

constexpr size_t kMaxIndexBytes = size_t{64} << 20;

bool has_file(const fs::path& path) {
  std::error_code ignored;
  return fs::exists(path, ignored);
}

[[noreturn]] void fail_no_weights(const fs::path& folder) {
  std::error_code error;
  if (!fs::is_directory(folder, error)) {
    fail(ErrorKind::io, "model folder " + folder.string() + " does not exist or is no folder");
  }
  fail(ErrorKind::format, folder.string() +
                              " has no model.safetensors and no pytorch_model.bin, and neither's "
                              ".index.json");
}

}  // namespace

void WeightStore::add_file(const fs::path& path) {
  files_.push_back(open_tensor_file(path));
  for (const std::string& name : files_.back()->names()) {
    if (files_.back()->readable(name)) tensors_[name] = files_.back()->get(name);
  }
}

void WeightStore::add_shards(const fs::path& index) {
  const std::string origin = index.string();
  const nlohmann::json root = parse_json_object(read_file(index, kMaxIndexBytes), origin, true);
  const auto map = root.find("weight_map");
  if (map == root.end() || !map->is_object()) {
    fail(ErrorKind::format, origin + " has no weight_map");
  }
  std::map<std::string, std::shared_ptr<const TensorFile>> shards;
  for (const auto& item : map->items()) {
    const std::string shard = item.value().is_string() ? item.value().get<std::string>() : "";
    if (shard.empty() || shard == ".." || shard.find('/') != std::string::npos) {
      fail(ErrorKind::format, origin + ": tensor " + item.key() + " has no plain file name");
    }
    auto& file = shards[shard];
    if (file == nullptr) {
      file = open_tensor_file(index.parent_path() / shard);
      files_.push_back(file);
    }
    if (!file->contains(item.key())) {
      fail(ErrorKind::format, origin + ": tensor " + item.key() + " is not in " + shard);
    }
    if (file->readable(item.key())) tensors_[item.key()] = file->get(item.key());
  }
}

WeightStore WeightStore::open(const fs::path& folder) {
  WeightStore store = open_unchecked(folder);
  if (has_file(folder / "config.json")) store.check(load_config(folder));
  return store;
}

WeightStore WeightStore::open_unchecked(const fs::path& folder) {
  WeightStore store;
  store.origin_ = folder.string();
  const auto add = [&](const std::string& name) {
    const fs::path index = folder / (name + ".index.json");
    if (has_file(folder / name)) {
      store.add_file(folder / name);
    } else if (has_file(index)) {
      store.add_shards(index);
    } else {
      return false;
    }
    return true;
  };
  if (!add("model.safetensors") && !add("pytorch_model.bin")) fail_no_weights(folder);
  return store;
}

void WeightStore::check(const ModelConfig& config) const {
  std::set<std::string> wanted;
  for (const auto& [name, shape] : tensor_shapes(config)) {
    const TensorView view = get(name, shape);
    if (!is_float(view.dtype())) {
      fail(ErrorKind::format, origin_ + ": tensor " + name + " is " +
                                  std::string(dtype_name(view.dtype())) + ", not f32, f16 or bf16");
    }
    wanted.insert(name);
  }
  for (const auto& [name, view] : tensors_) {
    if (name.starts_with("model.layers.") && name.ends_with(".bias") && !wanted.contains(name)) {
      fail(ErrorKind::format,
           origin_ + ": tensor " + name + " is a bias that config.json does not speak of");
    }
  }
}

void WeightStore::replace(const std::string& name, Tensor tensor) {
  (void)get(name, tensor.shape());
  tensors_[name] = tensor;
  owned_.push_back(std::move(tensor));
}

bool WeightStore::contains(const std::string& name) const { return tensors_.contains(name); }

TensorView WeightStore::get(const std::string& name) const {
  const auto found = tensors_.find(name);
  if (found != tensors_.end()) return found->second;
  for (const auto& file : files_) {
    if (file->contains(name)) return file->get(name);  // says why it cannot be read
  }
  fail(ErrorKind::format, origin_ + ": tensor " + name + " is missing");
}

TensorView WeightStore::get(const std::string& name, const Shape& shape) const {
  const TensorView view = get(name);
  if (view.shape() != shape) {
    fail(ErrorKind::format, origin_ + ": tensor " + name + " has shape " +
                                view.shape().to_string() + "; config.json asks for " +
                                shape.to_string());
  }
  return view;
}

std::vector<std::string> WeightStore::names() const {
  std::vector<std::string> all;
  for (const auto& [name, view] : tensors_) all.push_back(name);
  return all;
}

}  // namespace memlong::model
