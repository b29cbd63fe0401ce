// What one retrieval reads: the keys and values of some chunks anywhere in a bank.
#include <algorithm>
#include <cstring>
#include <memory>
#include <random>

#include "common/clock.h"
#include "common/error.h"
#include "engine/gather.h"
#include "tools/memlong-bench/chunk_store.h"
#include "tools/memlong-bench/suite.h"

namespace memlong::bench_tool {
namespace {

constexpr double kMiB = 1 << 20;
constexpr int kSets = 64;                ///< of a run
constexpr int64_t kMostFloorMib = 1024;  ///< memory that the floor copies from

using ChunkSet = std::vector<engine::RetrievedChunk>;

std::vector<ChunkSet> random_sets(const ChunkStore& chunks, int64_t chosen) {
  std::mt19937 random(13);
  std::uniform_int_distribution<int64_t> any(1, chunks.count());
  std::vector<ChunkSet> sets(kSets);
  for (ChunkSet& set : sets) {
    for (int64_t i = 0; i < chosen; ++i) {
      set.push_back({.id = static_cast<membank::ChunkId>(any(random)),
                     .document = 1,
                     .begin = 0,
                     .tokens = chunks.shape()[1]});
    }
  }
  return sets;
}

/// Copies pieces from anywhere in a block of memory into one place after the other.
class PieceCopy {
 public:
  PieceCopy(size_t block, size_t piece, int64_t pieces)
      : from_(std::max(block, piece), 'x'), to_(piece * static_cast<size_t>(pieces), 'y') {}

  void run(size_t piece, std::mt19937& random) {
    std::uniform_int_distribution<size_t> any(0, from_.size() / piece - 1);
    for (size_t at = 0; at < to_.size(); at += piece) {
      std::memcpy(to_.data() + at, from_.data() + any(random) * piece, piece);
    }
  }

 private:
  std::vector<char> from_;
  std::vector<char> to_;
};

}  // namespace

void bench_gather(Bench& bench) {
  const ScratchFolder scratch(bench.arguments.folder);
  const ChunkStore chunks(bench.network, bench.arguments.gather_mib);
  const int64_t chosen = bench.arguments.top_k;
  chunks.write(scratch.path() / "bank");
  const std::shared_ptr<membank::Bank> bank = membank::Bank::open(
      scratch.path() / "bank", {.mode = membank::OpenMode::read, .fingerprint = std::nullopt});
  const std::vector<ChunkSet> sets = random_sets(chunks, chosen);
  const auto piece = static_cast<size_t>(chunks.kv_bytes() / static_cast<double>(chunks.count()));
  const double mib = kSets * static_cast<double>(chosen) * static_cast<double>(piece) / kMiB;
  PieceCopy copy(static_cast<size_t>(std::min(bench.arguments.gather_mib, kMostFloorMib)) << 20,
                 piece, chosen);
  std::mt19937 random(17);
  const Shape shape = chunks.shape();
  bench.add({.test = "gather-" + std::to_string(chosen),
             .unit = "MiB/s",
             .run =
                 [&] {
                   const Stopwatch watch;
                   for (const ChunkSet& set : sets) {
                     const auto now = bank->snapshot();
                     const auto read =
                         engine::gather_set(bench.context, set, shape[0], shape[2], chunks.dtype(),
                                            [&](std::span<const engine::ChunkPlace> wanted) {
                                              std::vector<membank::KvPlace> places;
                                              for (const auto& [chunk, k, v] : wanted)
                                                places.push_back({.id = chunk->id, .k = k, .v = v});
                                              return now->read_kv(places, bench.context);
                                            });
                     MEMLONG_CHECK(read.chunks.size() == set.size(), "every chunk was written");
                   }
                   return mib / watch.seconds();
                 },
             .floor =
                 [&] {
                   const Stopwatch watch;
                   for (int i = 0; i < kSets; ++i) copy.run(piece, random);
                   return mib / watch.seconds();
                 },
             .more =
                 [&] {
                   return Figures{{"bank_mib", chunks.bytes() / kMiB}};
                 }});
}

}  // namespace memlong::bench_tool
