// What one retrieval reads: the keys and values of some chunks anywhere in a bank.
#include <cstring>
#include <filesystem>
#include <memory>
#include <random>

#include "common/clock.h"
#include "common/error.h"
#include "common/file.h"
#include "engine/gather.h"
#include "tools/memlong-bench/chunk_store.h"
#include "tools/memlong-bench/suite.h"

namespace memlong::bench_tool {
namespace {

constexpr double kMiB = 1 << 20;
constexpr int kSets = 1024;  ///< of a run: more than a cache holds
constexpr size_t kPage = 4096;

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

/// Copies pieces of the bank's own file, as large as a chunk's keys and values, from anywhere in it
/// into one place after the other: the same kind of memory as the chunks lie in.
class PieceCopy {
 public:
  PieceCopy(const std::filesystem::path& file, size_t piece, int64_t pieces)
      : file_(file), piece_(piece), to_(piece * static_cast<size_t>(pieces), 'y') {
    std::mt19937 random(17);
    std::uniform_int_distribution<size_t> any(0, (file_.bytes().size() - piece) / kPage);
    for (int64_t i = 0; i < kSets * pieces; ++i) from_.push_back(any(random) * kPage);
  }

  void run() {
    size_t at = 0;
    for (const size_t from : from_) {
      std::memcpy(to_.data() + at, file_.bytes().data() + from, piece_);
      at = at + piece_ < to_.size() ? at + piece_ : 0;
    }
  }

 private:
  MappedFile file_;
  size_t piece_;
  std::vector<size_t> from_;
  std::vector<char> to_;
};

}  // namespace

void bench_gather(Bench& bench) {
  const ScratchFolder scratch(bench.arguments.folder);
  Context host({.threads = bench.context.threads()});
  const ChunkStore chunks(bench.network, bench.arguments.gather_mib);
  const int64_t chosen = bench.arguments.top_k;
  chunks.write(scratch.path() / "bank");
  const std::shared_ptr<membank::Bank> bank = membank::Bank::open(
      scratch.path() / "bank", {.mode = membank::OpenMode::read, .fingerprint = std::nullopt});
  const std::vector<ChunkSet> sets = random_sets(chunks, chosen);
  const auto piece = static_cast<size_t>(chunks.kv_bytes() / static_cast<double>(chunks.count()));
  const double mib = kSets * static_cast<double>(chosen) * static_cast<double>(piece) / kMiB;
  PieceCopy copy(scratch.path() / "bank" / "data.mdb", piece, chosen);
  engine::SetGatherer gatherer(
      bench.context,
      {.kv_heads = chunks.shape()[0], .head_dim = chunks.shape()[2], .dtype = chunks.dtype()});
  bench.add({.test = "gather-" + std::to_string(chosen),
             .unit = "MiB/s",
             .run =
                 [&] {
                   const Stopwatch watch;
                   for (const ChunkSet& set : sets) {
                     const auto now = bank->snapshot();
                     const auto read =
                         gatherer.gather(set, [&](std::span<const engine::ChunkPlace> wanted) {
                           std::vector<membank::KvPlace> places;
                           for (const auto& [chunk, k, v] : wanted)
                             places.push_back({.id = chunk->id, .k = k, .v = v});
                           return now->read_kv(places, host);
                         });
                     MEMLONG_CHECK(read.chunks.size() == set.size(), "every chunk was written");
                   }
                   bench.context.synchronize();
                   return mib / watch.seconds();
                 },
             .floor =
                 [&] {
                   const Stopwatch watch;
                   copy.run();
                   return mib / watch.seconds();
                 },
             .more =
                 [&] {
                   return Figures{{"bank_mib", chunks.bytes() / kMiB}};
                 }});
}

}  // namespace memlong::bench_tool
