#include "model/peft.h"

#include <cmath>
#include <set>
#include <system_error>

#include <nlohmann/json.hpp>

#include "common/error.h"
#include "common/file.h"
#include "common/fresh_folder.h"
#include "model/adapter_folder.h"
#include "model/safetensors.h"

namespace memlong::model {
namespace {

namespace fs = std::filesystem;

constexpr const char* kConfigFile = "adapter_config.json";
constexpr const char* kTensorFile = "adapter_model.safetensors";
constexpr const char* kReadme = "README.md";  // the user's: it stays
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

}  // namespace

void write_peft_adapter(const fs::path& folder, const PeftAdapter& adapter) {
  const std::string config = config_text(adapter);
  std::vector<std::pair<std::string, TensorView>> tensors;
  for (const auto* list : {&adapter.lora, &adapter.full}) {
    for (const auto& [name, view] : *list) tensors.emplace_back(kPrefix + name, view);
  }
  check_adapter_folder(folder, AdapterKind::peft);
  FreshFolder fresh(folder);
  write_safetensors(fresh.path() / kTensorFile, tensors, {{"format", "pt"}});
  write_file_atomic(fresh.path() / kConfigFile, config);
  std::error_code error;
  if (fs::exists(fresh.target() / kReadme, error)) {
    fs::copy_file(fresh.target() / kReadme, fresh.path() / kReadme, error);
    if (error) fail(ErrorKind::io, "cannot copy " + (fresh.target() / kReadme).string());
  }
  fresh.replace();
}

}  // namespace memlong::model
