// Prefill and decode.
#include <string>

#include "common/clock.h"
#include "tools/memlong-bench/floors.h"
#include "tools/memlong-bench/suite.h"
#include "tools/memlong-bench/work.h"

namespace memlong::bench_tool {
namespace {

void bench_prefill(Bench& bench, Pass& pass, MatmulFloor& matmul, int64_t tokens, int64_t memory) {
  const std::vector<int32_t> ids = random_ids(bench.network, tokens);
  const MemorySet set = random_memory(bench.context, bench.network, memory);
  const double flops = prefill_flops(bench.network, tokens, memory);
  const auto count = static_cast<double>(tokens);
  bench.add({.test = test_name("pp", {tokens, 0, memory}),
             .unit = "tokens/s",
             .run =
                 [&] {
                   const Stopwatch watch;
                   pass.run(ids, 0, set);
                   return count / watch.seconds();
                 },
             .floor = [&] { return count * matmul.flops_per_second() / flops; }});
}

void bench_decode(Bench& bench, Pass& pass, const TestSize& size) {
  const std::vector<int32_t> ids = random_ids(bench.network, size.depth + size.tokens);
  const auto prompt = std::span(ids).first(static_cast<size_t>(size.depth));
  const MemorySet set = random_memory(bench.context, bench.network, size.memory);
  const double bytes = decode_bytes_per_token(bench.network, size.depth, size.tokens, size.memory);
  ReadFloor read(bench.context, bytes);
  if (!prompt.empty()) pass.run(prompt, 0, set);  // what it leaves in the cache, all runs read
  pass.read_set(set);
  bench.add({.test = test_name("tg", size),
             .unit = "tokens/s",
             .run =
                 [&] {
                   const Stopwatch watch;
                   for (int64_t at = size.depth; at < size.depth + size.tokens; ++at) {
                     pass.next(ids[static_cast<size_t>(at)], at);
                   }
                   return static_cast<double>(size.tokens) / watch.seconds();
                 },
             .floor = [&] { return read.bytes_per_second() / bytes; }});
}

}  // namespace

void bench_network(Bench& bench) {
  const BenchArguments& arguments = bench.arguments;
  Pass pass(bench.context, bench.network);
  for (const int64_t memory : arguments.memory) {
    if (arguments.wants("prefill")) {
      MatmulFloor matmul = bench.matmul_floor();
      for (const int64_t tokens : arguments.prompt) {
        bench_prefill(bench, pass, matmul, tokens, memory);
      }
    }
    if (!arguments.wants("decode")) continue;
    for (const int64_t depth : arguments.depth) {
      for (const int64_t tokens : arguments.generate) {
        bench_decode(bench, pass, {tokens, depth, memory});
      }
    }
  }
}

}  // namespace memlong::bench_tool
