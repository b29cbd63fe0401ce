// The bank on disk: writing chunks, reading their keys and values.
#include <algorithm>
#include <memory>
#include <numeric>
#include <random>

#include "common/clock.h"
#include "common/error.h"
#include "tools/memlong-bench/chunk_store.h"
#include "tools/memlong-bench/floors.h"
#include "tools/memlong-bench/suite.h"

namespace memlong::bench_tool {
namespace {

namespace fs = std::filesystem;
using membank::Bank;

constexpr double kMiB = 1 << 20;

std::vector<membank::ChunkId> shuffled_chunks(const Bank& bank) {
  std::vector<membank::ChunkId> ids(bank.snapshot()->last_chunk());
  std::iota(ids.begin(), ids.end(), membank::ChunkId{1});
  std::shuffle(ids.begin(), ids.end(), std::mt19937(3));
  return ids;
}

void read_all(const Bank& bank, const std::vector<membank::ChunkId>& ids, const Tensor& k,
              const Tensor& v) {
  const auto snapshot = bank.snapshot();
  for (const membank::ChunkId id : ids) {
    MEMLONG_CHECK(snapshot->read_kv(id, k, v), "the chunk was written");
  }
}

}  // namespace

void bench_bank(Bench& bench) {
  const ScratchFolder scratch(bench.arguments.folder);
  const ChunkStore chunks(bench.network, bench.arguments.bank_mib);
  const fs::path folder = scratch.path() / "bank";
  bench.add({.test = "bank-write",
             .unit = "MiB/s",
             .run =
                 [&] {
                   fs::remove_all(folder);
                   const Stopwatch watch;
                   chunks.write(folder);
                   return chunks.bytes() / kMiB / watch.seconds();
                 },
             .floor =
                 [&] {
                   const auto bytes = static_cast<size_t>(chunks.bytes());
                   return write_bytes_per_second(scratch.path(), bytes) / kMiB;
                 }});
  const auto bank =
      Bank::open(folder, {.mode = membank::OpenMode::read, .fingerprint = std::nullopt});
  const std::vector<membank::ChunkId> ids = shuffled_chunks(*bank);
  const Tensor k(chunks.shape(), chunks.dtype());
  const Tensor v(chunks.shape(), chunks.dtype());
  bench.add(
      {.test = "bank-read",
       .unit = "MiB/s",
       .run =
           [&] {
             const Stopwatch watch;
             read_all(*bank, ids, k, v);
             return chunks.kv_bytes() / kMiB / watch.seconds();
           },
       .floor =
           [&] { return copy_bytes_per_second(static_cast<size_t>(chunks.kv_bytes())) / kMiB; }});
}

}  // namespace memlong::bench_tool
