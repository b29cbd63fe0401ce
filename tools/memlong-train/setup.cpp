#include "tools/memlong-train/setup.h"

#include <algorithm>

#include "common/error.h"
#include "common/log.h"
#include "tools/common/progress.h"
#include "tools/common/signals.h"
#include "train/make_source.h"

namespace memlong::train_tool {
namespace {

constexpr int64_t kEmbedderTokens = 1'000'000;

/// Of the folder, or estimated from the training data where it has none.
std::shared_ptr<const retriever::Embedder> open_embedder(Context& context,
                                                         const engine::LoadedModel& model,
                                                         const train::Corpus& corpus) {
  if (auto embedder = engine::make_embedder(context, model)) return embedder;
  const std::vector<int32_t> ids = sample_tokens(corpus, kEmbedderTokens);
  const retriever::SifParameters estimated =
      retriever::estimate_sif(context, model.weights->embedding, ids, model.settings.chunk);
  return retriever::make_sif_embedder(model.weights->embedding, estimated, model.weights);
}

}  // namespace

std::shared_ptr<const engine::LoadedModel> open_base(Context& context, const Arguments& arguments) {
  const tools::CommonOptions& common = arguments.common;
  const Recipe& recipe = arguments.recipe;
  const model::ModelConfig config = model::load_config(common.model);
  model::MemorySettings settings = tools::resolve_settings(common, config);
  if (recipe.network.part == train::TrainPart::lora && !settings.adapter.empty()) {
    if (!common.adapter.empty()) {
      fail(ErrorKind::usage,
           "--train lora begins with a plain model; merge the adapter into it first "
           "(memlong-train merge)");
    }
    settings.adapter.clear();
  }
  engine::ModelOptions options = {.folder = common.model,
                                  .settings = settings,
                                  .dtype = recipe.network.dtype,
                                  .writer_only = false,
                                  .store = nullptr,
                                  .pack = false};
  if (recipe.random_init) {
    options.settings->adapter.clear();
    options.store = std::make_shared<model::WeightStore>(
        model::WeightStore::random(config, DType::f32, recipe.seed));
  }
  return engine::load_model(context, options);
}

std::shared_ptr<const train::Corpus> read_data(const std::vector<train::DataEntry>& entries,
                                               const engine::LoadedModel& model,
                                               const tools::CommonOptions& common) {
  tools::Progress progress(
      "read data", "bytes", 0,
      common.quiet ? tools::ProgressStyle::none : tools::ProgressStyle::automatic);
  auto corpus = train::read_corpus(entries, model, [&progress](int64_t bytes, int64_t total) {
    progress.set_total(total);
    progress.update(bytes);
    tools::throw_if_stopped();
  });
  progress.finish();
  return corpus;
}

std::vector<int32_t> sample_tokens(const train::Corpus& corpus, int64_t most) {
  std::vector<int32_t> ids;
  const auto entries = static_cast<int64_t>(corpus.entries.size());
  for (const train::CorpusEntry& entry : corpus.entries) {
    int64_t left = most / std::max<int64_t>(entries, 1);
    for (const train::Document& document : entry.documents) {
      const int64_t count = std::min(left, document.size());
      ids.insert(ids.end(), document.ids.begin(), document.ids.begin() + count);
      left -= count;
      if (left == 0) break;
    }
  }
  return ids;
}

Sources open_sources(Context& context, const Arguments& arguments,
                     const std::shared_ptr<const engine::LoadedModel>& model) {
  const Recipe& recipe = arguments.recipe;
  Sources sources;
  sources.corpus = read_data(recipe.data.entries, *model, arguments.common);
  std::shared_ptr<const retriever::Embedder> embedder;
  if (recipe.data.form == train::ItemForm::streams) {
    embedder = open_embedder(context, *model, *sources.corpus);
  }
  sources.training = train::make_source(context, sources.corpus, recipe.data, model, embedder);
  for (const EvaluationData& each : recipe.evaluations) {
    train::DataOptions options = recipe.data;
    options.entries = each.entries;
    options.no_memory = train::Schedule(0);  // what it is worth is what they measure
    const auto corpus = read_data(each.entries, *model, arguments.common);
    sources.evaluations.push_back(
        {.name = each.name,
         .source = train::make_source(context, corpus, options, model, embedder)});
    sources.held_out.push_back(corpus);
  }
  return sources;
}

}  // namespace memlong::train_tool
