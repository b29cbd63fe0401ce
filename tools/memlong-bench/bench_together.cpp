// Decoding of several streams, one token of each in a pass.
#include <memory>
#include <span>
#include <vector>

#include "backbone/block_tokens.h"
#include "common/clock.h"
#include "tools/memlong-bench/floors.h"
#include "tools/memlong-bench/suite.h"
#include "tools/memlong-bench/work.h"

namespace memlong::bench_tool {
namespace {

/// Streams side by side: a window, memory and tokens for each. One alone is decoded as an answer
/// is, on a GPU recorded and launched.
class Streams {
 public:
  Streams(const Bench& bench, const TestSize& size)
      : context_(bench.context), network_(bench.network), length_(size.depth + size.tokens) {
    ids_ = random_ids(network_, size.streams * length_);
    if (size.streams == 1) {
      open_alone(size);
    } else {
      for (int64_t i = 0; i < size.streams; ++i) open(i, size);
      context_.activate();
      logits_ = Tensor({size.streams, network_.config.vocab}, DType::f32, context_.device());
    }
  }

  /// The token at window position `at` of each.
  void next(int64_t at) {
    if (alone_ != nullptr) return alone_->next(ids_[static_cast<size_t>(at)], at);
    std::vector<int32_t> ids;
    std::vector<backbone::TokenPlace> places;
    for (size_t i = 0; i < caches_.size(); ++i) {
      ids.push_back(tokens(static_cast<int64_t>(i))[static_cast<size_t>(at)]);
      places.push_back({.cache = &caches_[i],
                        .position = at,
                        .memory = std::span(&segments_[i], segments_[i].k.empty() ? 0 : 1)});
    }
    const TensorView x = context_.scratch(
        "bench.x", {static_cast<int64_t>(ids.size()), network_.config.hidden}, DType::f32);
    network_.writer->forward_tokens(context_, ids, places, x);
    network_.side_net->forward_tokens(context_, places, x);
    network_.side_net->logits(context_, x, logits_);
    context_.synchronize();
  }

 private:
  [[nodiscard]] std::span<const int32_t> tokens(int64_t stream) const {
    return std::span(ids_).subspan(static_cast<size_t>(stream * length_),
                                   static_cast<size_t>(length_));
  }

  void open_alone(const TestSize& size) {
    const MemorySet memory = random_memory(context_, network_, size.memory);
    alone_ = std::make_unique<Pass>(context_, network_);
    const auto prompt = tokens(0).first(static_cast<size_t>(size.depth));
    if (!prompt.empty()) alone_->run(prompt, 0, memory);
    alone_->read_set(memory);
  }

  void open(int64_t stream, const TestSize& size) {
    const model::ModelConfig& config = network_.config;
    caches_.emplace_back(context_, config, config.layers, length_, network_.weights->dtype);
    sets_.push_back(random_memory(context_, network_, size.memory));
    segments_.push_back({.begin = 0, .end = 1, .k = sets_.back().k, .v = sets_.back().v});
    const auto prompt = tokens(stream).first(static_cast<size_t>(size.depth));
    if (prompt.empty()) return;
    const TensorView x = context_.scratch("bench.x", {size.depth, config.hidden}, DType::f32);
    network_.writer->forward(context_, prompt, caches_.back(), 0, x);
    network_.side_net->forward(context_, caches_.back(), {.x = x});
  }

  Context& context_;
  const Network& network_;
  int64_t length_;
  std::vector<int32_t> ids_;
  std::unique_ptr<Pass> alone_;
  std::vector<backbone::KvCache> caches_;
  std::vector<MemorySet> sets_;
  std::vector<ops::MemorySegment> segments_;
  Tensor logits_;
};

void bench_streams(Bench& bench, const TestSize& size) {
  const double bytes =
      decode_bytes_per_token(bench.network, size.depth, size.tokens, size.memory, size.streams);
  ReadFloor read(bench.context, bytes);
  Streams streams(bench, size);
  const auto at_once = static_cast<double>(size.streams);
  bench.add({.test = test_name("tg", size),
             .unit = "tokens/s",
             .run =
                 [&] {
                   const Stopwatch watch;
                   for (int64_t at = size.depth; at < size.depth + size.tokens; ++at) {
                     streams.next(at);
                   }
                   return at_once * static_cast<double>(size.tokens) / watch.seconds();
                 },
             .floor = [&] { return at_once * read.bytes_per_second() / bytes; }});
}

}  // namespace

void bench_together(Bench& bench) {
  const BenchArguments& arguments = bench.arguments;
  for (const int64_t memory : arguments.memory) {
    for (const int64_t depth : arguments.depth) {
      for (const int64_t tokens : arguments.generate) {
        const size_t first = bench.rows.size();
        for (const int64_t streams : arguments.streams) {
          bench_streams(bench, {tokens, depth, memory, streams});
          bench.rows.back().more = {{"times", bench.rows.back().value / bench.rows[first].value}};
        }
      }
    }
  }
}

}  // namespace memlong::bench_tool
