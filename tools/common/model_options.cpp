#include "tools/common/model_options.h"

#include <algorithm>
#include <cstdlib>
#include <string_view>
#include <unistd.h>

#include "common/error.h"
#include "common/log.h"
#include "tools/common/device_option.h"
#include "tools/common/size.h"

namespace memlong::tools {

void add_model_options(OptionSet& options, CommonOptions& common) {
  options.group("Model");
  options.add("model", &common.model, "folder of a Hugging Face model")
      .value("DIR")
      .existing()
      .short_name('m');
  options
      .add("adapter", &common.adapter,
           "tuned upper layers laid over the model; 'none' leaves out the model's own")
      .value("DIR|FILE")
      .default_text("what the model's memlong.toml names");
  options.add("device", &common.device, "where to compute: auto, cpu, cuda or cuda:N")
      .value("NAME");
  options
      .add("max-gpu-memory", &common.max_gpu_memory,
           "most memory of a GPU to take, as 8GiB; default: all that is free")
      .value("SIZE");
  options.add("dtype", &common.dtype, "precision of computation")
      .value("TYPE")
      .choices({"bf16", "f32"});
  options.add("threads", &common.threads, "threads to compute with; 0: all")
      .range(0, 4096)
      .short_name('t');
}

void add_packed_cache_option(OptionSet& options, CommonOptions& common) {
  options
      .add("packed-cache", &common.packed_cache,
           "folder that keeps weights as packed for the processor, so that the next start need not "
           "pack (not on a GPU); 'none': nothing is kept")
      .value("DIR")
      .default_text("~/.cache/memlong/packed, for models of 256 MiB and more");
}

void add_memory_options(OptionSet& options, CommonOptions& common, const std::string& top_k_flag) {
  options.group("Memory (default: what the model's memlong.toml says)");
  options.add("memory-layer", &common.memory_layer, "layer whose keys and values are stored")
      .range(0, 1e6);
  options.add("reading-layers", &common.reading_layers, "layers that attend to memory");
  options.add("chunk", &common.chunk, "tokens of a chunk").range(1, 1e6);
  options.add(top_k_flag, &common.top_k, "chunks retrieved at a time").range(1, 1e6);
  options
      .add("neighbours", &common.neighbours,
           "the N best chunks also bring in their neighbours before and after, replacing the "
           "lowest-ranked chunks")
      .range(0, 1e6);
  options
      .add("query-chunks", &common.query_chunks,
           "how many complete chunks before a text segment form its query")
      .range(1, 1e6);
  options
      .add(
          "recent-chunks", &common.recent_chunks,
          "chunks right before the window that a segment of text reads besides; a question and its "
          "answer do not")
      .range(0, 1e6);
  options
      .add("recency", &common.recency,
           "what the score of a chunk loses there for each doubling of its distance to the window")
      .range(0, 1);
  options.add("window", &common.window, "tokens of a window").range(2, 1e9);
  options.add("overlap", &common.overlap, "tokens of a window that the next one reads again")
      .range(1, 1e9);
  options.add("embedder", &common.embedder, "what makes vectors of chunks")
      .value("NAME")
      .choices({"sif", "pooled", "encoder"});
  options
      .add("encoder", &common.encoder,
           "folder of a sentence encoder (BERT, XLM-RoBERTa) to make them with; implies --embedder "
           "encoder")
      .value("DIR")
      .existing();
  options.add("window-bos", &common.window_bos, "every window starts with <s>");
  options.add("chat-template", &common.chat_template, "how a dialog is spelled").value("NAME");
}

void add_output_options(OptionSet& options, CommonOptions& common) {
  options.group("Output");
  options.add("json", &common.json, "results as JSON on standard output");
  options.add("verbose", &common.verbose, "say more on standard error").short_name('v');
  options.add("quiet", &common.quiet, "no progress, only errors").short_name('q');
}

void apply_output_options(const CommonOptions& common) {
  if (common.verbose && common.quiet) {
    fail(ErrorKind::usage, "--verbose and --quiet contradict each other");
  }
  log::set_level(common.quiet     ? log::Level::error
                 : common.verbose ? log::Level::debug
                                  : log::Level::info);
  // What was asked for by name and is not there is said before anything else is done.
  if (!parse_device(common.device).automatic) (void)choose_device(common.device);
  (void)max_gpu_memory(common);
  (void)compute_dtype(common);
}

namespace {

/// A switch in the environment, which is on. A recorded token is one launch to the driver's tools,
/// and kernels that overlap have no time of their own: who looks for a kernel sets them to 0.
bool switched_on(const char* name) {
  const char* set = std::getenv(name);
  if (set == nullptr || *set == '\0' || std::string_view(set) == "1") return true;
  if (std::string_view(set) == "0") return false;
  fail(ErrorKind::usage, std::string(name) + ": '" + set + "' is neither 0 nor 1");
}

}  // namespace

ContextOptions context_options(const CommonOptions& common) {
  const bool graphs = switched_on("MEMLONG_CUDA_GRAPH");
  const bool overlap = switched_on("MEMLONG_CUDA_OVERLAP");
  const DeviceChoice choice = choose_device(common.device);
  if (!choice.warning.empty()) (choice.expected ? log::info : log::warn)(choice.warning);
  if (choice.device == Device::cuda) log::info("computing on " + choice.name);
  return {.device = choice.device,
          .threads = common.threads,
          .device_index = choice.index,
          .max_device_bytes = static_cast<size_t>(max_gpu_memory(common)),
          .record = graphs,
          .overlap = overlap};
}

engine::PackedCacheOptions packed_cache(const CommonOptions& common) {
  constexpr int64_t kWorthKeeping = int64_t{256} << 20;  // less is packed in a tenth of a second
  if (common.packed_cache == "none") return {};
  if (!common.packed_cache.empty()) return {.folder = common.packed_cache, .min_bytes = 0};
  const auto set = [](const char* name) {
    const char* value = std::getenv(name);
    return std::filesystem::path(value == nullptr ? "" : value);
  };
  std::filesystem::path cache = set("XDG_CACHE_HOME");
  if (!cache.is_absolute()) cache = set("HOME") / ".cache";  // as the XDG specification has it
  if (!cache.is_absolute()) return {};
  return {.folder = cache / "memlong" / "packed", .min_bytes = kWorthKeeping};
}

int64_t max_gpu_memory(const CommonOptions& common) {
  if (common.max_gpu_memory.empty()) return 0;
  return parse_size(common.max_gpu_memory, "--max-gpu-memory");
}

DType compute_dtype(const CommonOptions& common) {
  const DType dtype = parse_dtype(common.dtype);
  if (dtype != DType::f32 && dtype != DType::bf16) {
    fail(ErrorKind::usage, "--dtype: '" + common.dtype + "' is none of bf16, f32");
  }
  return dtype;
}

std::filesystem::path find_configs() {
  namespace fs = std::filesystem;
  if (const char* named = std::getenv("MEMLONG_CONFIGS"); named != nullptr && *named != '\0') {
    if (!fs::is_directory(named)) {
      fail(ErrorKind::usage, std::string("MEMLONG_CONFIGS: ") + named + " is no folder");
    }
    const fs::path models = fs::path(named) / "models";
    return fs::is_directory(models) ? models : fs::path(named);
  }
  std::error_code error;
  const fs::path binary = fs::read_symlink("/proc/self/exe", error);
  if (error) return {};
  for (const char* place : {"../../../configs", "../share/memlong/configs", "../../configs"}) {
    fs::path folder = (binary.parent_path() / place / "models").lexically_normal();
    if (fs::is_directory(folder, error)) return folder;
  }
  return {};
}

namespace {

void choose_embedder(const CommonOptions& common, model::MemorySettings& settings) {
  if (!common.embedder.empty()) settings.embedder = common.embedder;
  if (common.encoder.empty()) return;
  if (!common.embedder.empty() && common.embedder != "encoder") {
    fail(ErrorKind::usage, "--encoder goes with --embedder encoder, not " + common.embedder);
  }
  settings.embedder = "encoder";
  settings.encoder = std::filesystem::absolute(common.encoder).lexically_normal();
}

}  // namespace

model::MemorySettings resolve_settings(const CommonOptions& common,
                                       const model::ModelConfig& config) {
  model::MemorySettings settings = model::find_settings(common.model, config, find_configs());
  if (common.memory_layer) {
    settings.memory_layer = *common.memory_layer;
    if (common.reading_layers.empty()) {
      std::erase_if(settings.reading_layers,
                    [&](int64_t layer) { return layer < settings.memory_layer; });
    }
  }
  if (!common.reading_layers.empty()) {
    settings.reading_layers = common.reading_layers;
    std::sort(settings.reading_layers.begin(), settings.reading_layers.end());
  }
  if (common.chunk) settings.chunk = *common.chunk;
  if (common.top_k) settings.top_k = *common.top_k;
  if (common.neighbours) settings.neighbours = *common.neighbours;
  if (common.query_chunks) settings.query_chunks = *common.query_chunks;
  if (common.recent_chunks) settings.recent_chunks = *common.recent_chunks;
  if (common.recency) settings.recency = *common.recency;
  if (common.window) settings.window = *common.window;
  if (common.overlap) settings.overlap = *common.overlap;
  choose_embedder(common, settings);
  if (common.window_bos) {
    settings.window_bos = *common.window_bos;
    settings.window_bos_said = true;
  }
  if (!common.chat_template.empty()) settings.chat_template = common.chat_template;
  const bool changed = common.memory_layer || !common.reading_layers.empty() || common.chunk ||
                       common.top_k || common.neighbours || common.query_chunks ||
                       common.recent_chunks || common.recency || common.window || common.overlap ||
                       !common.embedder.empty() || !common.encoder.empty() || common.window_bos;
  if (changed) settings.origin = "options over " + settings.origin;  // a message must not mislead
  if (common.adapter == "none") {
    settings.adapter.clear();
  } else if (!common.adapter.empty()) {
    settings.adapter = std::filesystem::absolute(common.adapter);
    std::error_code error;
    if (std::filesystem::status(settings.adapter, error).type() ==
        std::filesystem::file_type::not_found) {
      fail(ErrorKind::usage, "--adapter: " + common.adapter + ": No such file or directory");
    }
  }
  model::check_settings(settings, config);
  return settings;
}

}  // namespace memlong::tools
