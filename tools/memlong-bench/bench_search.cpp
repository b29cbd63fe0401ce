// Search over vectors of the embedder's dimension: exact, and by HNSW.
#include <algorithm>
#include <numeric>
#include <string>

#include "common/clock.h"
#include "common/error.h"
#include "retriever/index.h"
#include "tools/common/signals.h"
#include "tools/memlong-bench/floors.h"
#include "tools/memlong-bench/suite.h"
#include "tools/memlong-bench/vectors.h"

namespace memlong::bench_tool {
namespace {

constexpr int64_t kBatch = 4096;
constexpr int64_t kQueries = 8;         ///< of a run
constexpr int64_t kRecallQueries = 64;  ///< for the recall
constexpr uint64_t kStored = 5;         ///< seeds
constexpr uint64_t kAsked = 6;

using retriever::VectorIndex;

VectorSource vectors_for(const Bench& bench, int64_t count, uint64_t seed) {
  return {bench.network.config.hidden, std::max<int64_t>(1, count / 100), seed};
}

/// Fills an index; seconds that adding took.
double fill(const Bench& bench, VectorIndex& index, int64_t count) {
  VectorSource source = vectors_for(bench, count, kStored);
  double seconds = 0;
  for (int64_t done = 0; done < count; done += kBatch) {
    tools::throw_if_stopped();
    std::vector<uint64_t> ids(static_cast<size_t>(std::min(kBatch, count - done)));
    std::iota(ids.begin(), ids.end(), static_cast<uint64_t>(done + 1));
    const std::vector<float> vectors = source.next(static_cast<int64_t>(ids.size()));
    const Stopwatch watch;
    index.add(ids, vectors);
    seconds += watch.seconds();
  }
  return seconds;
}

/// Queries [n, E] one after the other.
class Queries {
 public:
  Queries(const Bench& bench, int64_t count)
      : width_(static_cast<size_t>(bench.network.config.hidden)),
        top_k_(bench.arguments.top_k),
        all_(vectors_for(bench, count, kAsked).next(kRecallQueries)) {}

  [[nodiscard]] std::vector<retriever::Hit> search(const VectorIndex& index, int64_t query) const {
    return index.search(std::span(all_).subspan(static_cast<size_t>(query) * width_, width_),
                        top_k_, {});
  }
  [[nodiscard]] double per_second(const VectorIndex& index) const {
    const Stopwatch watch;
    for (int64_t i = 0; i < kQueries; ++i) {
      MEMLONG_CHECK(!search(index, i).empty(), "something is nearest");
    }
    return kQueries / watch.seconds();
  }
  /// Mean share of the exact index's hits that `index` finds.
  [[nodiscard]] double recall_of(const VectorIndex& index, const VectorIndex& exact) const {
    double sum = 0;
    for (int64_t i = 0; i < kRecallQueries; ++i) sum += recall(search(index, i), search(exact, i));
    return sum / kRecallQueries;
  }

 private:
  size_t width_;
  int64_t top_k_;
  std::vector<float> all_;
};

void bench_count(Bench& bench, int64_t count) {
  const int64_t dim = bench.network.config.hidden;
  const int threads = bench.context.threads();
  const auto flat =
      retriever::make_index(dim, {.kind = retriever::IndexKind::flat, .threads = threads});
  fill(bench, *flat, count);
  const Queries queries(bench, count);
  const double bytes = static_cast<double>(count * dim) * sizeof(float);
  Context host({.threads = threads});  // the index lies in main memory
  ReadFloor read(host, bytes);
  bench.add({.test = "search-" + std::to_string(count),
             .unit = "queries/s",
             .run = [&] { return queries.per_second(*flat); },
             .floor = [&] { return read.bytes_per_second() / bytes; }});
  if (count > bench.arguments.hnsw_vectors) return;
  const auto hnsw =
      retriever::make_index(dim, {.kind = retriever::IndexKind::hnsw, .threads = threads});
  const double seconds = fill(bench, *hnsw, count);
  bench.add({.test = "hnsw-" + std::to_string(count),
             .unit = "queries/s",
             .run = [&] { return queries.per_second(*hnsw); },
             .floor = [&] { return queries.per_second(*flat); },
             .more =
                 [&] {
                   return Figures{{"recall", queries.recall_of(*hnsw, *flat)},
                                  {"build_seconds", seconds}};
                 }});
}

}  // namespace

void bench_search(Bench& bench) {
  for (const int64_t count : bench.arguments.vectors) bench_count(bench, count);
}

}  // namespace memlong::bench_tool
