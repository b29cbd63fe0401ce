// Search over vectors of the embedder's dimension: exact, on a GPU too, and by HNSW.
#include <algorithm>
#include <memory>
#include <numeric>
#include <string>

#include "common/clock.h"
#include "common/error.h"
#include "common/log.h"
#include "retriever/index.h"
#include "tools/common/signals.h"
#include "tools/memlong-bench/floors.h"
#include "tools/memlong-bench/needed_device.h"
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
  /// Of all queries in one call.
  [[nodiscard]] double at_once(const VectorIndex& index) const {
    std::vector<std::span<const float>> views;
    for (size_t at = 0; at < all_.size(); at += width_)
      views.push_back(std::span(all_).subspan(at, width_));
    const Stopwatch watch;
    MEMLONG_CHECK(index.search_all(views, top_k_, {}).size() == views.size(), "each is answered");
    return static_cast<double>(views.size()) / watch.seconds();
  }
  /// The share of queries for which both find the same with the same scores.
  [[nodiscard]] double same(const VectorIndex& a, const VectorIndex& b) const {
    double count = 0;
    for (int64_t i = 0; i < kRecallQueries; ++i) {
      count += std::ranges::equal(search(a, i), search(b, i), [](const auto& x, const auto& y) {
        return x.id == y.id && x.score == y.score;
      });
    }
    return count / kRecallQueries;
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

/// The same vectors once more, on the GPU. `half`: there as f16.
void bench_gpu(Bench& bench, const VectorIndex& flat, const Queries& queries, bool half,
               const retriever::OpenSearchDevice& open) {
  const int64_t count = flat.size();
  const std::string name = "search-" + std::to_string(count) + (half ? ":gpu-f16" : ":gpu");
  try {
    const auto device = std::make_shared<NeededDevice>(
        open({.device = bench.context.device_index(), .half = half}));
    const auto index = retriever::make_index(
        flat.dim(), {.threads = bench.context.threads(), .device = device, .device_rows = 1});
    for (uint64_t id = 1; id <= static_cast<uint64_t>(count); ++id)
      index->add(std::span(&id, 1), flat.vector(id));
    const Stopwatch watch;
    (void)queries.search(*index, 0);
    const double seconds = watch.seconds();
    const double bytes = static_cast<double>(count * flat.dim() * (half ? 2 : 4));
    ReadFloor read(bench.context, bytes);
    bench.add({.test = name,
               .unit = "queries/s",
               .run = [&] { return queries.per_second(*index); },
               .floor = [&] { return read.bytes_per_second() / bytes; },
               .more =
                   [&] {
                     return Figures{{"at_once", queries.at_once(*index)},
                                    {"load_seconds", seconds},
                                    {"same", queries.same(*index, flat)}};
                   }});
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::device && error.kind() != ErrorKind::capacity) throw;
    log::error(name + " is left out: " + error.what());
  }
}

void bench_count(Bench& bench, int64_t count, const retriever::OpenSearchDevice& open) {
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
  if (bench.context.device() != Device::cpu) {
    for (const bool half : {false, true}) bench_gpu(bench, *flat, queries, half, open);
  }
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

void bench_search(Bench& bench, const retriever::OpenSearchDevice& open) {
  for (const int64_t count : bench.arguments.vectors) bench_count(bench, count, open);
}

}  // namespace memlong::bench_tool
