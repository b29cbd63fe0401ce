// Attention alone: what memory costs beside what its bytes and operations say.
#include <algorithm>
#include <array>
#include <cmath>

#include "ops/attention.h"
#include "tools/memlong-bench/calls.h"
#include "tools/memlong-bench/floors.h"
#include "tools/memlong-bench/suite.h"
#include "tools/memlong-bench/work.h"

namespace memlong::bench_tool {
namespace {

constexpr int64_t kWindow = 512;
constexpr int64_t kMemory = 512;  ///< where --memory names none
constexpr double kSeconds = 0.02;

/// Calls of one layer's attention, again and again.
class Call {
 public:
  Call(Bench& bench, const TestSize& size)
      : context_(bench.context),
        local_(random_memory(context_, bench.network, size.depth + size.tokens)),
        memory_(random_memory(context_, bench.network, size.memory)),
        depth_(size.depth),
        q_(random_tensor(context_, q_shape(bench.network, size.tokens), local_.k.dtype())),
        out_(Tensor::copy_of(q_)),
        calls_(context_, [this] { attend(); }) {}

  double per_second() { return 1 / calls_.seconds(kSeconds); }

 private:
  static Shape q_shape(const Network& network, int64_t rows) {
    return {rows, network.config.heads, network.config.head_dim};
  }

  void attend() {
    const std::array<ops::MemorySegment, 1> segments = {
        {{.begin = 0, .end = q_.dim(0), .k = memory_.k, .v = memory_.v}}};
    ops::AttentionArgs args{.q = q_, .k = local_.k, .v = local_.v, .offset = depth_, .out = out_};
    args.scale = 1.0F / std::sqrt(static_cast<float>(q_.dim(2)));
    if (!memory_.k.empty()) args.memory = segments;
    ops::attention(context_, args);
  }

  Context& context_;
  MemorySet local_;
  MemorySet memory_;
  int64_t depth_;
  Tensor q_;
  Tensor out_;
  Calls calls_;
};

/// A step of decode is held against bytes, a prompt against operations.
void against_machine(Bench& bench, const TestSize& size) {
  Call call(bench, size);
  const AttentionWork work = attention_work(bench.network, size.tokens, size.depth, size.memory);
  MatmulFloor matmul = bench.matmul_floor();
  ReadFloor read(bench.context, work.bytes);
  bench.add({.test = test_name("attention", size),
             .unit = "calls/s",
             .run = [&] { return call.per_second(); },
             .floor =
                 [&] {
                   return size.tokens == 1 ? read.bytes_per_second() / work.bytes
                                           : matmul.flops_per_second() / work.flops;
                 }});
}

/// The same call without memory, slowed down as much as the added bytes or operations say.
void against_none(Bench& bench, const TestSize& size) {
  Call with(bench, size);
  Call without(bench, {size.tokens, size.depth, 0});
  const AttentionWork more = attention_work(bench.network, size.tokens, size.depth, size.memory);
  const AttentionWork less = attention_work(bench.network, size.tokens, size.depth, 0);
  const double ratio = size.tokens == 1 ? less.bytes / more.bytes : less.flops / more.flops;
  bench.add({.test = test_name("attention", size) + ":m0",
             .unit = "calls/s",
             .run = [&] { return with.per_second(); },
             .floor = [&] { return ratio * without.per_second(); }});
}

}  // namespace

void bench_attention(Bench& bench) {
  std::vector<int64_t> memory;
  std::ranges::copy_if(bench.arguments.memory, std::back_inserter(memory),
                       [](int64_t tokens) { return tokens > 0; });
  if (memory.empty()) memory = {kMemory};
  for (const TestSize& local : {TestSize{1, kWindow - 1, 0}, TestSize{kWindow, 0, 0}}) {
    against_machine(bench, local);
    for (const int64_t tokens : memory) {
      const TestSize size{local.tokens, local.depth, tokens};
      against_machine(bench, size);
      against_none(bench, size);
    }
  }
}

}  // namespace memlong::bench_tool
