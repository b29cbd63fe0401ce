#include "tools/memlong-bench/bench_model.h"

#include "tools/memlong-bench/word_tokenizer.h"

namespace memlong::bench_tool {

std::shared_ptr<const engine::LoadedModel> loaded_model(const Bench& bench,
                                                        const std::string& embedder) {
  const Network& network = bench.network;
  auto model = std::make_shared<engine::LoadedModel>();
  model->folder =
      network.random ? std::filesystem::path(network.name) : bench.arguments.common.model;
  model->config = network.config;
  model->settings = network.settings;
  model->settings.embedder = embedder;
  model->settings.window_bos = network.settings.window_bos && network.config.bos >= 0;
  model->store = network.weights->store;
  model->weights = network.weights;
  model->writer = network.writer;
  model->side_net = network.side_net;
  model->writer_hash = "bench";
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
  return engine::make_embedder(bench.context, model,
                               engine::make_sif_blob(bench.context, model, ids));
}

}  // namespace memlong::bench_tool
