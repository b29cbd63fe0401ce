#include "tools/memlong-bench/bench_model.h"

#include <algorithm>

#include "tensor/devices.h"
#include "tools/memlong-bench/word_tokenizer.h"

namespace memlong::bench_tool {

std::shared_ptr<const engine::LoadedModel> loaded_model(const Bench& bench,
                                                        const std::string& embedder) {
  const Network& network = bench.network;
  auto model = network_model(network);
  model->folder =
      network.random ? std::filesystem::path(network.name) : bench.arguments.common.model;
  model->settings.embedder = embedder;
  model->encoder = engine::load_encoder(bench.context, model->settings, network.weights->dtype);
  if (network.random) {
    model->tokens = std::make_shared<WordTokenizer>(static_cast<int32_t>(network.config.vocab));
  } else {
    model->tokens = tokenizer::load_tokenizer(bench.arguments.common.model);
  }
  return model;
}

std::shared_ptr<const retriever::Embedder> bench_embedder(const Bench& bench,
                                                          const engine::LoadedModel& model) {
  constexpr int64_t kEstimateTokens = 16384;
  auto embedder = engine::make_embedder(bench.context, model);
  if (embedder != nullptr) return embedder;
  const std::vector<int32_t> ids = random_ids(bench.network, kEstimateTokens);
  return engine::make_embedder(bench.context, model, engine::make_sif_blob(model, ids));
}

namespace {

engine::MemoryPlanOptions choose(const Bench& bench, engine::MemoryPlanOptions open) {
  open.device = bench.context.device();
  open.dtype = bench.network.weights->dtype;
  int64_t room = 0;
  if (open.device == Device::cuda) {
    bench.context.synchronize();
    release_unused_memory(bench.context.device_index());
    const auto free = static_cast<int64_t>(free_device_bytes(bench.context.device_index()));
    const int64_t limit = tools::max_gpu_memory(bench.arguments.common);
    room = limit > 0 ? std::min(free, limit) : free;
  }
  return engine::choose_open(bench.network.config, bench.network.settings, open, room);
}

}  // namespace

engine::MemoryPlanOptions ingest_plan(const Bench& bench) {
  return choose(bench, {.writer_only = true, .windows = bench.arguments.windows});
}

engine::MemoryPlanOptions dialog_plan(const Bench& bench) {
  return choose(bench, {.cached_chunks = -1});
}

}  // namespace memlong::bench_tool
