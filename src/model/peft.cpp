#include "model/peft.h"

#include <cerrno>
#include <cmath>
#include <fcntl.h>
#include <set>
#include <stdio.h>
#include <system_error>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "common/error.h"
#include "common/file.h"
#include "model/safetensors.h"

namespace memlong::model {
namespace {

namespace fs = std::filesystem;

constexpr const char* kConfigFile = "adapter_config.json";
constexpr const char* kTensorFile = "adapter_model.safetensors";
constexpr const char* kPrefix = "base_model.model.";

/// `name` without `end`; "" when it does not end so.
std::string without(const std::string& name, std::string_view end) {
  return name.ends_with(end) ? name.substr(0, name.size() - end.size()) : "";
}

/// The layers that have a LoRA. Errors: internal.
std::set<std::string> lora_layers(const PeftAdapter& adapter) {
  std::set<std::string> a;
  std::set<std::string> b;
  for (const auto& [name, view] : adapter.lora) {
    MEMLONG_CHECK(view.rank() == 2, name + " is no matrix");
    const std::string of_a = without(name, ".lora_A.weight");
    const std::string of_b = without(name, ".lora_B.weight");
    MEMLONG_CHECK(of_a.empty() != of_b.empty(), name + " is no LoRA tensor");
    MEMLONG_CHECK(view.dim(of_a.empty() ? 1 : 0) == adapter.rank, name + " has another rank");
    (of_a.empty() ? b : a).insert(of_a.empty() ? of_b : of_a);
  }
  MEMLONG_CHECK(!a.empty() && a == b, "every LoRA layer needs an A and a B");
  return a;
}

/// Names of the layers that replace the base's. Peft compares the ends of names, without regard to
/// dots, so a single-word name such as "norm" would match "post_attention_layernorm" too.
std::set<std::string> full_modules(const PeftAdapter& adapter) {
  std::set<std::string> modules;
  for (const auto& [name, view] : adapter.full) {
    const std::string module = without(name, ".weight");
    MEMLONG_CHECK(module == "lm_head" || module.starts_with("model."), name + " is no layer's");
    modules.insert(module);
  }
  return modules;
}

std::string config_text(const PeftAdapter& adapter) {
  MEMLONG_CHECK(adapter.rank > 0 && std::isfinite(adapter.alpha), "a LoRA needs rank and alpha");
  nlohmann::ordered_json json = {{"peft_type", "LORA"},
                                 {"task_type", "CAUSAL_LM"},
                                 {"base_model_name_or_path", adapter.base_model},
                                 {"inference_mode", true},
                                 {"r", adapter.rank}};
  if (std::trunc(adapter.alpha) == adapter.alpha && std::abs(adapter.alpha) < 1e9) {
    json["lora_alpha"] = static_cast<int64_t>(adapter.alpha);
  } else {
    json["lora_alpha"] = adapter.alpha;
  }
  json["lora_dropout"] = 0.0;
  json["bias"] = "none";
  json["fan_in_fan_out"] = false;
  json["init_lora_weights"] = true;
  json["use_rslora"] = false;
  json["use_dora"] = false;
  json["rank_pattern"] = nlohmann::ordered_json::object();
  json["alpha_pattern"] = nlohmann::ordered_json::object();
  json["target_modules"] = lora_layers(adapter);
  const std::set<std::string> full = full_modules(adapter);
  json["modules_to_save"] = nullptr;
  if (!full.empty()) json["modules_to_save"] = full;
  return json.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

/// Removes the folder on the way out, whatever stands under that name then.
struct Leftover {
  fs::path path;
  ~Leftover() {
    std::error_code ignored;
    fs::remove_all(path, ignored);
  }
};

/// The place that is written to: absolute, links resolved.
fs::path resolved(const fs::path& folder) {
  std::error_code error;
  fs::path path = fs::weakly_canonical(fs::absolute(folder), error);
  if (error) fail(ErrorKind::io, "cannot use " + folder.string() + ": " + error.message());
  return path.has_filename() ? path : path.parent_path();
}

void check_replaceable(const fs::path& folder) {
  std::error_code error;
  if (fs::exists(folder, error) && !fs::is_directory(folder, error)) {
    fail(ErrorKind::io, folder.string() + " is in the way of an adapter folder: it is a file");
  }
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    const fs::path name = entry.path().filename();
    if (name != kConfigFile && name != kTensorFile && name != "README.md") {
      fail(ErrorKind::io, folder.string() + " is in the way of an adapter folder: it holds " +
                              name.string() + "; name another folder");
    }
  }
}

void sync_folder(const fs::path& folder) {
  const int descriptor = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0) return;
  ::fsync(descriptor);
  ::close(descriptor);
}

/// `fresh` takes the name `folder`; what had it gets the name `fresh`, or is gone if it was empty.
void put_in_place(const fs::path& fresh, const fs::path& folder) {
  const char* from = fresh.c_str();
  const char* to = folder.c_str();
  if (::rename(from, to) == 0) return;
  if (errno != ENOTEMPTY && errno != EEXIST) fail_errno("cannot rename to", folder.string());
  if (::renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_EXCHANGE) == 0) return;
  // A file system that cannot exchange: for a moment there is no folder of that name.
  const fs::path old = fresh.string() + ".old";
  if (::rename(to, old.c_str()) != 0) fail_errno("cannot move away", folder.string());
  if (::rename(from, to) != 0) {
    const int error = errno;
    (void)::rename(old.c_str(), to);
    errno = error;
    fail_errno("cannot rename to", folder.string());
  }
  std::error_code ignored;
  fs::remove_all(old, ignored);
}

}  // namespace

void write_peft_adapter(const fs::path& folder, const PeftAdapter& adapter) {
  const std::string config = config_text(adapter);
  std::vector<std::pair<std::string, TensorView>> tensors;
  for (const auto* list : {&adapter.lora, &adapter.full}) {
    for (const auto& [name, view] : *list) tensors.emplace_back(kPrefix + name, view);
  }
  const fs::path target = resolved(folder);
  check_replaceable(target);
  const Leftover fresh{target.string() + ".tmp" + std::to_string(::getpid())};
  std::error_code error;
  fs::remove_all(fresh.path, error);
  fs::create_directories(fresh.path, error);
  if (error) fail(ErrorKind::io, "cannot create " + fresh.path.string() + ": " + error.message());
  write_safetensors(fresh.path / kTensorFile, tensors, {{"format", "pt"}});
  write_file_atomic(fresh.path / kConfigFile, config);
  put_in_place(fresh.path, target);
  sync_folder(target.parent_path());
}

}  // namespace memlong::model
