#include "model/memory_settings.h"

#include <algorithm>

#include "common/error.h"

namespace memlong::model {
namespace {

std::string text(int64_t number) { return std::to_string(number); }

[[noreturn]] void refuse(const MemorySettings& settings, const std::string& what) {
  fail(ErrorKind::config, settings.origin + ": " + what);
}

void check_embedder(const MemorySettings& settings) {
  const std::string& name = settings.embedder;
  if (name != "sif" && name != "pooled" && name != "encoder") {
    refuse(settings, "[memory] embedder is \"" + name + "\"; known are sif, pooled and encoder");
  }
  if (name == "encoder" && settings.encoder.empty()) {
    refuse(settings,
           "[memory] embedder is \"encoder\"; name the encoder's folder with --encoder DIR or in "
           "[memory] encoder");
  }
}

void check_layers(const MemorySettings& settings, const ModelConfig& config) {
  const int64_t m = settings.memory_layer;
  if (m < 0 || m >= config.layers) {
    refuse(settings, "[memory] layer is " + text(m) + "; the model has layers 0 to " +
                         text(config.layers - 1));
  }
  if (settings.reading_layers.empty()) refuse(settings, "[memory] reading_layers is empty");
  for (size_t i = 0; i < settings.reading_layers.size(); ++i) {
    const int64_t layer = settings.reading_layers[i];
    if (layer < m || layer >= config.layers) {
      refuse(settings, "[memory] reading_layers names " + text(layer) + "; they must be from " +
                           text(m) + " (the memory layer) to " + text(config.layers - 1));
    }
    if (i > 0 && layer <= settings.reading_layers[i - 1]) {
      refuse(settings, "[memory] reading_layers must be sorted and name no layer twice");
    }
  }
}

}  // namespace

int64_t longest_window(const ModelConfig& config) {
  int64_t longest = config.max_positions;
  const bool stretches = config.rope.scaling == ops::RopeScaling::dynamic ||
                         config.rope.scaling == ops::RopeScaling::yarn;
  if (stretches) {
    const double stretched =
        static_cast<double>(config.rope.original_positions) * std::max(1.0, config.rope.factor);
    longest = std::max(longest, static_cast<int64_t>(stretched));
  }
  return config.attention_rows > 0 ? std::min(longest, config.attention_rows) : longest;
}

void check_settings(const MemorySettings& settings, const ModelConfig& config) {
  check_layers(settings, config);
  if (settings.chunk < 1)
    refuse(settings, "[memory] chunk is " + text(settings.chunk) + "; it must be at least 1 token");
  if (settings.top_k < 1 || settings.top_k > 4096) {
    refuse(settings, "[memory] top_k is " + text(settings.top_k) + "; it must be from 1 to 4096");
  }
  if (settings.neighbours < 0 || settings.neighbours > settings.top_k) {
    refuse(settings, "[memory] neighbours is " + text(settings.neighbours) +
                         "; it must be from 0 to top_k, " + text(settings.top_k));
  }
  if (settings.query_chunks < 1 || settings.query_chunks > 4096) {
    refuse(settings, "[memory] query_chunks is " + text(settings.query_chunks) +
                         "; it must be from 1 to 4096");
  }
  if (settings.recent_chunks < 0 || settings.recent_chunks > 4096) {
    refuse(settings, "[memory] recent_chunks is " + text(settings.recent_chunks) +
                         "; it must be from 0 to 4096");
  }
  if (!(settings.recency >= 0.0 && settings.recency <= 1.0)) {
    refuse(settings,
           "[memory] recency is " + std::to_string(settings.recency) + "; it must be from 0 to 1");
  }
  check_embedder(settings);
  if (settings.window < 2 || settings.window > longest_window(config)) {
    refuse(settings, "[window] size is " + text(settings.window) +
                         "; this model reads windows of 2 to " + text(longest_window(config)) +
                         " tokens" +
                         (longest_window(config) == config.attention_rows
                              ? ", which is what its layers with sliding attention see"
                              : ""));
  }
  if (settings.overlap < settings.chunk) {
    refuse(settings, "[window] overlap is " + text(settings.overlap) +
                         "; it must be at least one chunk, " + text(settings.chunk) + " tokens");
  }
  const int64_t bos = settings.window_bos ? 1 : 0;
  if (settings.window - settings.overlap - bos < 1) {
    refuse(settings, "[window] overlap is " + text(settings.overlap) + "; a window of " +
                         text(settings.window) + " tokens would not get on");
  }
  if (settings.window_bos && config.bos < 0) {
    refuse(settings, "[window] bos is true, but the model has no bos_token_id");
  }
}

}  // namespace memlong::model
