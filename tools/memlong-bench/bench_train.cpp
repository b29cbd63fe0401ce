// A step of training the layers above the writer, with constant memory (stage 2), as memlong-train
// takes it.
#include <algorithm>

#include "common/clock.h"
#include "common/error.h"
#include "tools/memlong-bench/floors.h"
#include "tools/memlong-bench/suite.h"
#include "tools/memlong-bench/work.h"
#include "train/network.h"
#include "train/optimizer.h"

namespace memlong::bench_tool {
namespace {

constexpr int64_t kSteps = 1000;
constexpr uint64_t kSeed = 1;

std::shared_ptr<const model::WeightStore> weights_of(const Network& network) {
  if (!network.random) return network.weights->store;
  return std::make_shared<const model::WeightStore>(
      model::WeightStore::random(network.config, network.weights->dtype, kSeed));
}

/// Windows of random tokens, all of them targets; each chunk's length of them reads top_k chunks,
/// and no two the same ones.
train::Batch make_batch(Bench& bench) {
  const model::MemorySettings& settings = bench.network.settings;
  const int64_t segments = (settings.window + settings.chunk - 1) / settings.chunk;
  const MemorySet random = random_memory(bench.context, bench.network, settings.chunk);
  std::vector<MemorySet> chunks;
  for (int64_t i = 0; i < bench.arguments.train_rows * segments + settings.top_k; ++i) {
    chunks.push_back({.k = Tensor::copy_of(random.k), .v = Tensor::copy_of(random.v)});
  }
  const std::vector<int32_t> ids = random_ids(bench.network, settings.window + 1);
  train::Batch batch;
  int64_t first = 0;  // chunk
  for (int64_t row = 0; row < bench.arguments.train_rows; ++row) {
    train::Sequence sequence;
    sequence.ids.assign(ids.begin(), ids.end() - 1);
    sequence.targets.assign(ids.begin() + 1, ids.end());
    sequence.weights.assign(sequence.ids.size(), 1.0F);
    for (int64_t begin = 0; begin < settings.window; begin += settings.chunk, ++first) {
      train::SegmentPlan segment{
          .begin = begin, .end = std::min(begin + settings.chunk, settings.window), .parts = {}};
      for (int64_t i = 0; i < settings.top_k; ++i) {
        const MemorySet& chunk = chunks[static_cast<size_t>(first + i)];
        segment.parts.push_back({.end = settings.chunk, .k = chunk.k, .v = chunk.v});
      }
      sequence.segments.push_back(std::move(segment));
    }
    batch.sequences.push_back(std::move(sequence));
  }
  return batch;
}

}  // namespace

void bench_train(Bench& bench) {
  const Network& network = bench.network;
  Context& context = bench.context;
  const int64_t rows = bench.arguments.train_rows;
  const int64_t window = network.settings.window;
  train::Network trained(context, weights_of(network), network.config, network.settings,
                         {.dtype = network.weights->dtype});
  train::Optimizer optimizer(trained.parameters(), {});
  const train::Batch batch = make_batch(bench);
  const double flops = train_flops(network, rows, window);
  const auto tokens = static_cast<double>(batch.tokens());
  MatmulFloor matmul = bench.matmul_floor();
  int64_t step = 0;
  const auto take_step = [&] {
    trained.zero_gradients(context);
    const train::LossSums sums = trained.forward_backward(context, batch, 1.0F);
    const train::StepNorms norms =
        optimizer.step(context, trained.parameters(), 1.0 / sums.weight, step++, kSteps);
    MEMLONG_CHECK(norms.taken, "a step of random weights is taken");
    trained.refresh(context);
    context.synchronize();
  };
  const std::string name = "train" + std::to_string(rows) + "x" + std::to_string(window) + "+m" +
                           std::to_string(network.settings.top_k * network.settings.chunk);
  bench.add({.test = name,
             .unit = "tokens/s",
             .run =
                 [&] {
                   const Stopwatch watch;
                   take_step();
                   return tokens / watch.seconds();
                 },
             .floor = [&] { return tokens * matmul.flops_per_second() / flops; },
             .more =
                 [&] {
                   return Figures{
                       {"learning_millions", static_cast<double>(trained.parameter_count()) / 1e6}};
                 }});
}

}  // namespace memlong::bench_tool
