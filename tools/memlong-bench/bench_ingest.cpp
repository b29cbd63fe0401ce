// Text to a bank, with all stages of memlong-ingest.
#include <algorithm>
#include <array>
#include <fstream>
#include <random>

#include "common/clock.h"
#include "common/error.h"
#include "engine/ingest.h"
#include "tools/common/signals.h"
#include "tools/memlong-bench/bench_model.h"
#include "tools/memlong-bench/floors.h"
#include "tools/memlong-bench/suite.h"
#include "tools/memlong-bench/work.h"

namespace memlong::bench_tool {
namespace {

namespace fs = std::filesystem;

constexpr double kSeconds = 2.0;
constexpr double kFloorSeconds = 0.1;
constexpr int64_t kMostTokens = 1 << 18;

constexpr std::array<const char*, 24> kWords = {
    "the",     "old",   "house", "stood", "near",    "river", "and",   "every",
    "morning", "a",     "man",   "with",  "small",   "boat",  "would", "cross",
    "slowly",  "while", "birds", "were",  "singing", "in",    "tall",  "trees"};

void write_text(const fs::path& file, int64_t words) {
  std::mt19937 random(11);
  std::uniform_int_distribution<size_t> any(0, kWords.size() - 1);
  std::ofstream text(file);
  for (int64_t i = 0; i < words; ++i) text << kWords[any(random)] << (i % 14 == 13 ? ".\n" : " ");
  if (!text.flush()) fail_errno("cannot write to", file.string());
}

engine::IngestTotals ingest(Bench& bench, const std::shared_ptr<const engine::LoadedModel>& model,
                            const fs::path& folder) {
  fs::remove_all(folder / "bank");
  const std::shared_ptr<membank::Bank> bank = membank::Bank::open(
      folder / "bank",
      {.mode = membank::OpenMode::write, .fingerprint = model->fingerprint(DType::bf16)});
  engine::IngestOptions options;
  options.windows = ingest_plan(bench).windows;
  engine::Ingestor ingestor(bench.context, model, bank, options);
  ingestor.stop = &tools::stop_flag();
  const auto list = engine::list_sources({(folder / "text.txt").string()}, {});
  const engine::IngestTotals totals = ingestor.run(list.sources);
  tools::throw_if_stopped();
  MEMLONG_CHECK(totals.documents_new == 1, "the text was ingested");
  return totals;
}

/// Words of the text that gives the tokens that were asked for, or takes about two seconds.
int64_t choose_words(Bench& bench, const std::shared_ptr<const engine::LoadedModel>& model,
                     const fs::path& folder) {
  const int64_t probe = 2 * model->settings.window;
  write_text(folder / "text.txt", probe);
  const engine::IngestTotals totals = ingest(bench, model, folder);
  const double tokens_per_word = static_cast<double>(totals.tokens) / static_cast<double>(probe);
  int64_t tokens = bench.arguments.ingest_tokens;
  if (tokens == 0) {
    tokens = std::clamp(static_cast<int64_t>(kSeconds * totals.tokens_per_second()), probe,
                        std::max(probe, kMostTokens));
  }
  return std::max<int64_t>(1, static_cast<int64_t>(static_cast<double>(tokens) / tokens_per_word));
}

}  // namespace

void bench_ingest(Bench& bench) {
  const ScratchFolder scratch(bench.arguments.folder);
  const auto model = loaded_model(bench, "pooled");  // which needs no estimate
  write_text(scratch.path() / "text.txt", choose_words(bench, model, scratch.path()));
  MatmulFloor matmul = bench.matmul_floor();
  const double flops = writer_flops_per_token(bench.network, model->settings.window);
  bench.add({.test = "ingest",
             .unit = "tokens/s",
             .run = [&] { return ingest(bench, model, scratch.path()).tokens_per_second(); },
             .floor = [&] { return matmul.flops_per_second() / flops; }});

  Pass pass(bench.context, bench.network);
  const std::vector<int32_t> window = random_ids(bench.network, model->settings.window);
  const double layers = static_cast<double>(bench.network.config.layers) /
                        static_cast<double>(std::max<int64_t>(1, model->settings.memory_layer));
  bench.add({.test = "ingest:pp",
             .unit = "tokens/s",
             .run =
                 [&] {
                   const engine::IngestTotals totals = ingest(bench, model, scratch.path());
                   return computed_tokens(totals.tokens, model->window_capacity(),
                                          model->settings.overlap) /
                          totals.seconds;
                 },
             .floor =
                 [&] {
                   pass.run(window, 0, {});  // after all that ingest did, the first is slower
                   double passes = 0;
                   const Stopwatch watch;
                   do {
                     pass.run(window, 0, {});
                     ++passes;
                   } while (watch.seconds() < kFloorSeconds);
                   return layers * passes * static_cast<double>(window.size()) / watch.seconds();
                 }});
}

}  // namespace memlong::bench_tool
