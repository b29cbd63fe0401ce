// Exact search over vectors of the embedder's dimension.
#include <cmath>
#include <numeric>
#include <random>
#include <string>

#include "common/clock.h"
#include "common/error.h"
#include "retriever/index.h"
#include "tools/memlong-bench/floors.h"
#include "tools/memlong-bench/suite.h"

namespace memlong::bench_tool {
namespace {

constexpr int64_t kBatch = 4096;
constexpr int kQueries = 8;

std::vector<float> unit_vectors(std::mt19937& random, int64_t count, int64_t dim) {
  std::normal_distribution<float> normal;
  std::vector<float> all(static_cast<size_t>(count * dim));
  for (float& number : all) number = normal(random) / std::sqrt(static_cast<float>(dim));
  return all;
}

}  // namespace

void bench_search(Bench& bench) {
  const int64_t count = bench.arguments.vectors;
  const int64_t dim = bench.network.config.hidden;
  std::mt19937 random(5);
  const auto index = retriever::make_index(
      dim, {.kind = retriever::IndexKind::flat, .threads = bench.context.threads()});
  const std::vector<float> block = unit_vectors(random, std::min(count, kBatch), dim);
  for (int64_t done = 0; done < count; done += kBatch) {
    std::vector<uint64_t> ids(static_cast<size_t>(std::min(kBatch, count - done)));
    std::iota(ids.begin(), ids.end(), static_cast<uint64_t>(done + 1));
    index->add(ids, std::span(block).first(ids.size() * static_cast<size_t>(dim)));
  }
  const std::vector<float> queries = unit_vectors(random, kQueries, dim);
  const double bytes = static_cast<double>(count * dim) * sizeof(float);
  ReadFloor read(bytes, bench.context.threads());
  const auto width = static_cast<size_t>(dim);
  bench.add({.test = "search-" + std::to_string(count),
             .unit = "queries/s",
             .run =
                 [&] {
                   const Stopwatch watch;
                   for (size_t i = 0; i < kQueries; ++i) {
                     const auto hits =
                         index->search({&queries[i * width], width}, bench.arguments.top_k, {});
                     MEMLONG_CHECK(!hits.empty(), "something is nearest");
                   }
                   return kQueries / watch.seconds();
                 },
             .floor = [&] { return read.bytes_per_second() / bytes; }});
}

}  // namespace memlong::bench_tool
