#include "model/config.h"

#include <algorithm>
#include <cmath>
#include <filesystem>

#include "fuzz/target.h"
#include "fuzz/targets.h"
#include "model/memory_settings.h"
#include "ops/rope.h"
#include "support/temp_folder.h"

namespace memlong::fuzz {
namespace {

using model::ModelConfig;

void check_shape(const ModelConfig& config) {
  const auto between = [](int64_t value, int64_t high) { return value >= 1 && value <= high; };
  require(between(config.layers, 1000) && between(config.hidden, 1 << 17) &&
              between(config.ffn, 1 << 19) && between(config.heads, 1024) &&
              between(config.kv_heads, config.heads) && between(config.head_dim, 256) &&
              between(config.vocab, 1 << 24) && between(config.max_positions, 1 << 27),
          "a size without bounds");
  require(config.heads % config.kv_heads == 0 && config.head_dim % 2 == 0,
          "heads that do not fit each other");
  require(config.sliding_window >= 0 && config.sliding_window <= 1 << 27, "an absurd window");
  require(std::isfinite(config.rms_eps) && config.rms_eps > 0, "an absurd rms_norm_eps");
}

void check_ids(const ModelConfig& config) {
  const auto is_id = [&](int64_t id) { return id >= 0 && id < config.vocab; };
  require(config.bos == -1 || is_id(config.bos), "bos_token_id beyond the vocabulary");
  require(std::all_of(config.eos.begin(), config.eos.end(), is_id),
          "eos_token_id beyond the vocabulary");
}

void check_rope(const ModelConfig& config) {
  const auto rope = value_of({ErrorKind::config}, [&] {
    return ops::rope_frequencies(config.rope, config.head_dim, config.max_positions);
  });
  if (!rope) return;
  require(rope->inverse.size() == static_cast<size_t>(config.head_dim / 2),
          "a frequency for every pair");
  require(std::isfinite(rope->amplitude), "an amplitude that is no number");
  require(std::all_of(rope->inverse.begin(), rope->inverse.end(),
                      [](double value) { return std::isfinite(value) && value >= 0; }),
          "a frequency that is no number");
}

}  // namespace

void config(std::string_view input) {
  static const test::TempFolder folder;
  Input parts(input);
  folder.write("config.json", std::string(parts.until('\x1E')));
  const std::string generation = folder / "generation_config.json";
  if (parts.rest().empty()) {
    std::filesystem::remove(generation);
  } else {
    folder.write("generation_config.json", std::string(parts.rest()));
  }
  const auto config = value_of({ErrorKind::format, ErrorKind::config},
                               [&] { return model::load_config(folder.path()); });
  if (!config) return;
  check_shape(*config);
  check_ids(*config);
  check_rope(*config);
  const auto settings = model::find_settings(folder.path(), *config, {});
  require(!settings.reading_layers.empty() && settings.reading_layers.back() < config->layers,
          "defaults that read layers which are not there");
  const bool fits =
      accepted({ErrorKind::config}, [&] { model::check_settings(settings, *config); });
  require(fits || config->max_positions < 4, "defaults that do not fit their model");
}

}  // namespace memlong::fuzz
