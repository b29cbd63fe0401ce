// memlong-eval logits: for anyone who compares engines.
#include <sstream>
#include <utility>

#include <nlohmann/json.hpp>

#include "backbone/writer.h"
#include "common/error.h"
#include "common/file.h"
#include "engine/main_memory.h"
#include "model/safetensors.h"
#include "sidenet/side_net.h"
#include "tools/common/output.h"
#include "tools/memlong-eval/arguments.h"

namespace memlong::eval_tool {
namespace {

std::vector<int32_t> read_ids(const std::filesystem::path& path, int64_t vocab) {
  std::istringstream words(read_file(path));
  std::vector<int32_t> ids;
  for (std::string word; words >> word;) {
    size_t used = 0;
    int64_t id = -1;
    try {
      id = std::stoll(word, &used);
    } catch (const std::exception&) {
      used = 0;
    }
    if (used != word.size() || id < 0 || id >= vocab) {
      fail(ErrorKind::format,
           path.string() + ": '" + word + "' is no token id below " + std::to_string(vocab));
    }
    ids.push_back(static_cast<int32_t>(id));
  }
  if (ids.empty()) fail(ErrorKind::format, path.string() + " has no ids");
  return ids;
}

}  // namespace

int run_logits(const Arguments& arguments) {
  Context context(tools::context_options(arguments.common));
  const DType dtype = tools::compute_dtype(arguments.common);
  const model::ModelConfig config = model::load_config(arguments.common.model);
  const model::MemorySettings settings = tools::resolve_settings(arguments.common, config);
  const std::vector<int32_t> ids = read_ids(arguments.ids, config.vocab);
  const auto count = static_cast<int64_t>(ids.size());
  if (config.attention_rows > 0 && count > config.attention_rows) {
    fail(ErrorKind::config, arguments.ids.string() + " has " + std::to_string(count) +
                                " ids; layers with sliding attention see " +
                                std::to_string(config.attention_rows) +
                                " of this model, and more is not computed");
  }

  auto store =
      std::make_shared<model::WeightStore>(model::WeightStore::open(arguments.common.model));
  if (!settings.adapter.empty()) {
    store->overlay_upper(settings.adapter, config, settings.memory_layer);
  }
  const auto weights = backbone::load_weights(context, store, config, dtype, count);
  const backbone::Writer writer(weights, settings.memory_layer);
  const sidenet::SideNet side_net(weights, settings.memory_layer, settings.reading_layers);
  backbone::KvCache cache(context, config, config.layers, count, dtype);

  std::vector<std::pair<std::string, Tensor>> kept;
  const backbone::LayerObserver keep = [&kept](int64_t layer, const TensorView& x) {
    kept.emplace_back("hidden." + std::to_string(layer), Tensor::copy_of(x));
  };
  const Device device = context.device();
  const Tensor x({count, config.hidden}, DType::f32, device);
  const Tensor k({config.kv_heads, count, config.head_dim}, DType::f32, device);
  const Tensor v(k.shape(), DType::f32, device);
  const Tensor logits({count, config.vocab}, DType::f32, device);
  writer.forward(context, ids, cache, 0, x, keep);
  writer.keys_values(context, x, k, v);
  side_net.forward(context, cache, {.x = x, .observer = &keep});
  side_net.logits(context, x, logits);

  std::vector<std::pair<std::string, Tensor>> results = {
      {"logits", logits}, {"k_raw", k}, {"v", v}};
  results.insert(results.end(), kept.begin(), kept.end());
  std::vector<std::pair<std::string, TensorView>> tensors;
  for (auto& [name, tensor] : results) {
    tensors.emplace_back(name, engine::in_main_memory(context, tensor, tensor));
  }
  model::write_safetensors(arguments.out, tensors,
                           {{"memory_layer", std::to_string(settings.memory_layer)},
                            {"dtype", std::string(dtype_name(dtype))}});
  const nlohmann::ordered_json result = {{"tokens", count},
                                         {"layers", config.layers},
                                         {"memory_layer", settings.memory_layer},
                                         {"out", arguments.out.string()}};
  if (arguments.common.json) {
    tools::print_json(result);
  } else {
    tools::print_out(std::to_string(count) + " tokens, " + std::to_string(config.layers) +
                     " layers: " + arguments.out.string() + "\n");
  }
  return 0;
}

}  // namespace memlong::eval_tool
