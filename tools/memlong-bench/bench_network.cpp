// Prefill and decode.
#include <random>
#include <string>

#include "common/clock.h"
#include "tools/memlong-bench/floors.h"
#include "tools/memlong-bench/suite.h"
#include "tools/memlong-bench/work.h"

namespace memlong::bench_tool {
namespace {

std::vector<int32_t> random_ids(const Network& network, int64_t count) {
  std::mt19937 random(7);
  std::uniform_int_distribution<int32_t> any(0, static_cast<int32_t>(network.config.vocab - 1));
  std::vector<int32_t> ids(static_cast<size_t>(count));
  for (int32_t& id : ids) id = any(random);
  return ids;
}

std::string test_name(const char* kind, int64_t tokens, int64_t memory) {
  return kind + std::to_string(tokens) + (memory > 0 ? "+m" + std::to_string(memory) : "");
}

void bench_prefill(Bench& bench, Pass& pass, MatmulFloor& matmul, int64_t tokens, int64_t memory) {
  const std::vector<int32_t> ids = random_ids(bench.network, tokens);
  const MemorySet set = random_memory(bench.network, memory);
  const double flops = prefill_flops(bench.network, tokens, memory);
  const auto count = static_cast<double>(tokens);
  bench.add({.test = test_name("pp", tokens, memory),
             .unit = "tokens/s",
             .run =
                 [&] {
                   const Stopwatch watch;
                   pass.run(ids, 0, set);
                   return count / watch.seconds();
                 },
             .floor = [&] { return count * matmul.flops_per_second() / flops; }});
}

void bench_decode(Bench& bench, Pass& pass, int64_t tokens, int64_t memory) {
  const std::vector<int32_t> ids = random_ids(bench.network, tokens);
  const MemorySet set = random_memory(bench.network, memory);
  const double bytes = decode_bytes_per_token(bench.network, tokens, memory);
  ReadFloor read(bytes, bench.context.threads());
  bench.add({.test = test_name("tg", tokens, memory),
             .unit = "tokens/s",
             .run =
                 [&] {
                   const Stopwatch watch;
                   for (size_t i = 0; i < ids.size(); ++i) {
                     pass.run({&ids[i], 1}, static_cast<int64_t>(i), set);
                   }
                   return static_cast<double>(tokens) / watch.seconds();
                 },
             .floor = [&] { return read.bytes_per_second() / bytes; }});
}

}  // namespace

void bench_network(Bench& bench) {
  const BenchArguments& arguments = bench.arguments;
  Pass pass(bench.context, bench.network);
  for (const int64_t memory : arguments.memory) {
    if (arguments.wants("prefill")) {
      MatmulFloor matmul(bench.context, bench.network.weights->dtype);
      for (const int64_t tokens : arguments.prompt) {
        bench_prefill(bench, pass, matmul, tokens, memory);
      }
    }
    if (!arguments.wants("decode")) continue;
    for (const int64_t tokens : arguments.generate) bench_decode(bench, pass, tokens, memory);
  }
}

}  // namespace memlong::bench_tool
