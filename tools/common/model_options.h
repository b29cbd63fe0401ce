// The options that all tools which load a model share.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "engine/packed_cache.h"
#include "model/config.h"
#include "model/memory_settings.h"
#include "tensor/context.h"
#include "tensor/dtype.h"
#include "tools/common/options.h"

namespace memlong::tools {

struct CommonOptions {
  std::filesystem::path model;
  std::string adapter;  ///< folder or file; "none": not even the model's default one; "": default
  std::string device = "auto";  ///< auto, cpu, cuda, cuda:N
  std::string dtype = "bf16";   ///< f32, bf16
  int threads = 0;              ///< 0: as many as the process may use
  std::string max_gpu_memory;   ///< "8GiB"; "": all that is free
  std::string packed_cache;     ///< folder; "none"; "": the user's cache, for large models
  bool json = false;
  bool verbose = false;
  bool quiet = false;
  // Settings of the memory: where nothing is said, the model's memlong.toml decides.
  std::optional<int64_t> memory_layer;
  std::vector<int64_t> reading_layers;
  std::optional<int64_t> chunk;
  std::optional<int64_t> top_k;
  std::optional<int64_t> neighbours;
  std::optional<int64_t> query_chunks;
  std::optional<int64_t> recent_chunks;
  std::optional<double> recency;
  std::optional<int64_t> window;
  std::optional<int64_t> overlap;
  std::string embedder;
  std::string encoder;  ///< folder of a sentence encoder; "": none is named
  std::optional<bool> window_bos;
  std::string chat_template;
};

/// --model, --adapter, --device, --max-gpu-memory, --dtype, --threads.
void add_model_options(OptionSet& options, CommonOptions& common);
/// --packed-cache, behind add_model_options().
void add_packed_cache_option(OptionSet& options, CommonOptions& common);
/// --memory-layer ... --chat-template. `top_k_flag` renames --top-k where sampling has it.
void add_memory_options(OptionSet& options, CommonOptions& common,
                        const std::string& top_k_flag = "top-k");
/// --json, --verbose, --quiet.
void add_output_options(OptionSet& options, CommonOptions& common);

/// Log level and the like; checks --device, --max-gpu-memory, --dtype, --threads. Call it after
/// parse(). Errors: usage, device.
void apply_output_options(const CommonOptions& common);

/// What a Context is made with: device, its memory and threads. Warns where the CPU takes the place
/// of a GPU. With MEMLONG_CUDA_GRAPH=0 in the environment nothing is recorded on one
/// (tensor/graph.h), with MEMLONG_CUDA_OVERLAP=0 no kernel starts before its time. Errors: usage,
/// device (tools/common/device_option.h).
ContextOptions context_options(const CommonOptions& common);
DType compute_dtype(const CommonOptions& common);  ///< Errors: usage
/// Where packed weights are kept: in --packed-cache, else for models from 256 MiB on in the folder
/// memlong/packed of XDG_CACHE_HOME or ~/.cache.
engine::PackedCacheOptions packed_cache(const CommonOptions& common);
/// In bytes; 0: no limit. Errors: usage
int64_t max_gpu_memory(const CommonOptions& common);

/// The folder `configs/models` with the settings of well-known models (what model::find_settings
/// takes): under MEMLONG_CONFIGS, or beside the build folder or the installed binary. Empty when
/// there is none. Errors: usage, when MEMLONG_CONFIGS names no folder.
std::filesystem::path find_configs();

/// The model's settings with the overrides of the command line, checked. Errors: config, io, usage.
model::MemorySettings resolve_settings(const CommonOptions& common,
                                       const model::ModelConfig& config);

}  // namespace memlong::tools
