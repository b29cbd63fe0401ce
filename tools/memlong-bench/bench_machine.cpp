// What the machine itself does: the floors that all other tests are held against.
#include "tools/memlong-bench/floors.h"
#include "tools/memlong-bench/suite.h"

namespace memlong::bench_tool {
namespace {

constexpr double kGiga = 1e9;
constexpr double kLargeBlock = 1 << 29;  ///< more than any cache

}  // namespace

void bench_machine(Bench& bench) {
  const auto none = [] { return 0.0; };
  MatmulFloor matmul = bench.matmul_floor();
  bench.add({.test = "matmul",
             .unit = "GFLOP/s",
             .run = [&] { return matmul.flops_per_second() / kGiga; },
             .floor = none});
  ReadFloor read(bench.context, kLargeBlock);
  bench.add({.test = bench.context.device() == Device::cpu ? "read" : "copy",
             .unit = "GB/s",
             .run = [&] { return read.bytes_per_second() / kGiga; },
             .floor = none});
}

}  // namespace memlong::bench_tool
