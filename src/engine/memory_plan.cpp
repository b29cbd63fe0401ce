#include "engine/memory_plan.h"

#include <algorithm>
#include <cstdio>

#include "common/error.h"
#include "model/weights.h"

namespace memlong::engine {
namespace {

using model::MemorySettings;
using model::ModelConfig;

/// What cuBLASLt is given (Blas::kWorkspaceBytes) and as much again for the kernels' own sums.
constexpr int64_t kWorkspaceBytes = int64_t{64} << 20;
constexpr int64_t kFloat = 4;
/// Rows in one pass with which products keep a large GPU busy. Chosen by reckoning, not measured.
constexpr int64_t kBusyRows = 8192;
/// So many sets' chunks stay at hand.
constexpr int64_t kSetsAtHand = 16;

int64_t size_of(DType dtype) { return static_cast<int64_t>(dtype_size(dtype)); }

std::string count(int64_t n, const char* unit) {
  return std::to_string(n) + " " + unit + (n == 1 ? "" : "s");
}

/// Whether the writer needs this tensor of a model (beside the embedding table).
bool of_writer(const std::string& name, int64_t memory_layer) {
  constexpr std::string_view kLayers = "model.layers.";
  if (!name.starts_with(kLayers)) return false;
  const int64_t layer = std::stoll(name.substr(kLayers.size()));
  if (layer != memory_layer) return layer < memory_layer;
  return name.find("input_layernorm") != std::string::npos ||
         name.find("k_proj") != std::string::npos || name.find("v_proj") != std::string::npos;
}

/// Matrices are kept in the network's dtype, vectors and the rotations in f32.
MemoryPart weights(const ModelConfig& config, const MemorySettings& settings,
                   const MemoryPlanOptions& options) {
  const int64_t size = size_of(options.dtype);
  const int64_t table = config.vocab * config.hidden;
  int64_t bytes = options.device == Device::cuda ? table * size_of(options.embedding) : 0;
  for (const auto& [name, shape] : model::tensor_shapes(config)) {
    if (name.starts_with("model.embed_tokens")) continue;
    if (options.writer_only && !of_writer(name, settings.memory_layer)) continue;
    bytes += shape.elements() * (shape.rank() > 1 ? size : kFloat);
  }
  if (config.tied_head && !options.writer_only)
    bytes += table * size;  // the head is packed on its own
  bytes += settings.window * config.head_dim * kFloat;
  const std::string which =
      options.writer_only ? "writer, " + count(settings.memory_layer, "layer") + " and keys, values"
                          : count(config.layers, "layer");
  return {"weights", which + ", " + std::string(dtype_name(options.dtype)), bytes, "--dtype"};
}

int64_t token_bytes(const ModelConfig& config, DType dtype) {
  return 2 * config.kv_heads * config.head_dim * size_of(dtype);
}

const char* rows_option(const MemoryPlanOptions& options) {
  return options.windows > 1 ? "--windows" : "--window";
}

/// Of the window that is read, and the memory layer's as they go into chunks. Ingest keeps those of
/// one layer. On a GPU what comes down has a place of its own; ingest has two.
MemoryPart cache(const ModelConfig& config, const MemorySettings& settings,
                 const MemoryPlanOptions& options) {
  const bool gpu = options.device == Device::cuda;
  const int64_t layers = options.writer_only ? 1 : config.layers;
  const int64_t kept = options.writer_only ? 1 : layers + 1;
  const int64_t sent = gpu ? (options.writer_only ? 2 : 1) : 0;
  const int64_t windows = options.windows * options.dialogs;
  const int64_t tokens = windows * settings.window;
  return {"K-V cache",
          count(layers, "layer") + " x " + count(windows, "window") + " of " +
              count(settings.window, "token"),
          tokens * (kept * token_bytes(config, options.dtype) +
                    sent * token_bytes(config, options.stored)),
          options.dialogs > 1 ? "--open-dialogs" : rows_option(options)};
}

/// A whole window is read in one pass, each of its segments with a set of its own. On a GPU a set
/// is put together from what was sent up. Segments are those of a text: an answered message of a
/// dialog has one of its own, and how short messages are is not known here.
MemoryPart memory(const ModelConfig& config, const MemorySettings& settings,
                  const MemoryPlanOptions& options) {
  const int64_t segments = (settings.window + settings.chunk - 1) / settings.chunk + 1;
  const int64_t copies = options.device == Device::cuda ? 2 : 1;
  // The decoder's copy; and what the dialogs hold that are not at work.
  const int64_t sets = segments + copies - 1 + (options.dialogs - 1) * copies;
  const int64_t tokens = copies * sets * settings.set_chunks() * settings.chunk;
  return {"retrieved chunks",
          count(segments, "segment") + " x " + std::to_string(settings.set_chunks()) + " x " +
              count(settings.chunk, "token"),
          tokens * token_bytes(config, options.dtype),
          settings.recent_chunks > settings.top_k ? "--recent-chunks" : "--memory-top-k"};
}

MemoryPart recent(const ModelConfig& config, const MemorySettings& settings,
                  const MemoryPlanOptions& options) {
  const int64_t chunks = options.cached_chunks * options.dialogs;
  return {"chunks kept at hand", count(chunks, "chunk") + " of " + count(settings.chunk, "token"),
          chunks * settings.chunk * token_bytes(config, options.dtype), "--cached-chunks"};
}

/// The scratch tensors of backbone/block.cpp and of the streams, for one pass.
MemoryPart activations(const ModelConfig& config, const MemorySettings& settings,
                       const MemoryPlanOptions& options) {
  const int64_t rows = options.windows * settings.window;
  const int64_t size = size_of(options.dtype);
  const int64_t q = config.heads * config.head_dim;
  const int64_t kv = 2 * config.kv_heads * config.head_dim;
  int64_t row = config.hidden * kFloat;                                 // stream.x, encoder.x
  row += (config.hidden + kv + 2 * q + 3 * config.ffn) * size;          // normed ... gated
  if (!options.writer_only) row += config.heads * kFloat;               // lse
  if (settings.embedder == "pooled") row += config.hidden * kFloat;     // hidden
  if (options.device == Device::cuda && options.dtype != DType::f32) {  // matmul sums
    int64_t widest = config.qkv_bias ? std::max(q, kv) : 0;
    if (config.mlp_bias) widest = std::max(widest, 2 * config.ffn);
    row += widest * kFloat;
  }
  int64_t bytes = rows * row;
  if (!options.writer_only) {
    bytes += options.logit_rows * (config.vocab * kFloat + config.hidden * size);
  }
  return {"activations", count(rows, "token") + " at once", bytes, rows_option(options)};
}

/// What an ingest with one window has, on a queue of its own, but for the weights.
MemoryPart texts(const ModelConfig& config, const MemorySettings& settings,
                 const MemoryPlanOptions& options) {
  MemoryPlanOptions ingest = options;
  ingest.writer_only = true;
  ingest.windows = ingest.dialogs = 1;
  int64_t bytes =
      cache(config, settings, ingest).bytes + activations(config, settings, ingest).bytes;
  if (options.device == Device::cuda) bytes += kWorkspaceBytes;
  return {"texts", "one window at a time", bytes, "--window"};
}

std::string gibibytes(int64_t bytes) {
  char text[32];
  std::snprintf(text, sizeof(text), "%.2f GiB", static_cast<double>(bytes) / 0x1p30);
  return text;
}

/// "--window, --memory-top-k": each once, by how much lies behind it.
std::string what_to_lower(const MemoryPlan& plan) {
  std::vector<MemoryPart> parts = plan.parts;
  std::stable_sort(parts.begin(), parts.end(),
                   [](const MemoryPart& a, const MemoryPart& b) { return a.bytes > b.bytes; });
  std::vector<std::string> options;
  for (const MemoryPart& part : parts) {
    // A narrower dtype is none where the weights are narrow already.
    const bool narrow = part.lower == "--dtype" && part.shape.ends_with("bf16");
    if (part.lower.empty() || part.bytes == 0 || narrow) continue;
    if (std::find(options.begin(), options.end(), part.lower) == options.end()) {
      options.push_back(part.lower);
    }
  }
  std::string text;
  for (const std::string& option : options) text += (text.empty() ? "" : ", ") + option;
  return text;
}

}  // namespace

int64_t MemoryPlan::bytes() const {
  int64_t total = 0;
  for (const MemoryPart& part : parts) total += part.bytes;
  return total;
}

MemoryPlan plan_memory(const ModelConfig& config, const MemorySettings& settings,
                       const MemoryPlanOptions& options) {
  MemoryPlan plan;
  plan.parts.push_back(weights(config, settings, options));
  plan.parts.push_back(cache(config, settings, options));
  if (options.retrieves()) plan.parts.push_back(memory(config, settings, options));
  if (options.cached_chunks > 0) plan.parts.push_back(recent(config, settings, options));
  plan.parts.push_back(activations(config, settings, options));
  if (options.takes_texts) plan.parts.push_back(texts(config, settings, options));
  if (options.device == Device::cuda) {
    plan.parts.push_back({"workspace", "matrix products, sums", kWorkspaceBytes, ""});
  }
  return plan;
}

MemoryPlanOptions choose_open(const ModelConfig& config, const MemorySettings& settings,
                              MemoryPlanOptions options, int64_t room) {
  const bool gpu = options.device == Device::cuda;
  const bool open_windows = options.windows == 0;
  const bool open_chunks = options.cached_chunks < 0;
  if (open_windows) {
    const bool many = gpu && options.writer_only;
    options.windows = many ? std::max<int64_t>(1, kBusyRows / settings.window) : 1;
  }
  if (open_chunks) {
    options.cached_chunks = gpu && options.retrieves() ? kSetsAtHand * settings.set_chunks() : 0;
  }
  const auto fits = [&] { return plan_memory(config, settings, options).bytes() <= room; };
  while (open_chunks && options.cached_chunks > 0 && !fits()) options.cached_chunks /= 2;
  while (open_windows && options.windows > 1 && !fits()) options.windows /= 2;
  return options;
}

void check_plan(const MemoryPlan& plan, const std::string& device, int64_t free, int64_t limit) {
  const bool limited = limit > 0 && limit < free;
  const int64_t room = limited ? limit : free;
  if (plan.bytes() <= room) return;
  const auto largest =
      std::max_element(plan.parts.begin(), plan.parts.end(),
                       [](const MemoryPart& a, const MemoryPart& b) { return a.bytes < b.bytes; });
  fail(ErrorKind::capacity, gibibytes(plan.bytes()) + " are needed on " + device + " (" +
                                largest->name + ": " + gibibytes(largest->bytes) + "), " +
                                gibibytes(room) +
                                (limited ? " are allowed by --max-gpu-memory" : " are free") +
                                "; lower " + what_to_lower(plan) + ", or use --device cpu");
}

}  // namespace memlong::engine
