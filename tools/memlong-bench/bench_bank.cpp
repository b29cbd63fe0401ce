// The bank on disk: writing chunks, reading their keys and values.
#include <algorithm>
#include <memory>
#include <numeric>
#include <random>
#include <stdlib.h>

#include "common/clock.h"
#include "common/error.h"
#include "membank/bank.h"
#include "tools/memlong-bench/floors.h"
#include "tools/memlong-bench/suite.h"

namespace memlong::bench_tool {
namespace {

namespace fs = std::filesystem;
using membank::Bank;

constexpr double kMiB = 1 << 20;
constexpr int64_t kCommitChunks = 256;
constexpr int64_t kCommitBytes = int64_t{64} << 20;

/// A chunk of the network's shape, again and again.
class ChunkStore {
 public:
  ChunkStore(const Network& network, int64_t mib)
      : ids_(static_cast<size_t>(network.settings.chunk), 3),
        vector_(static_cast<size_t>(network.config.hidden), 0.01F),
        k_(random_memory(network, network.settings.chunk).k),
        v_(Tensor::copy_of(k_)) {
    document_.name = "bench";
    print_.tokenizer = "bench";
    print_.writer = "bench";
    print_.memory_layer = static_cast<int32_t>(network.settings.memory_layer);
    print_.kv_heads = static_cast<int32_t>(network.config.kv_heads);
    print_.head_dim = static_cast<int32_t>(network.config.head_dim);
    print_.chunk_tokens = static_cast<int32_t>(network.settings.chunk);
    print_.kv_dtype = k_.dtype();
    print_.embedder = "pooled";
    print_.embedder_dim = static_cast<int32_t>(network.config.hidden);
    count_ = std::max<int64_t>(1, (mib << 20) / chunk_bytes());
  }

  /// Of keys, values, vector and tokens.
  [[nodiscard]] int64_t chunk_bytes() const {
    return static_cast<int64_t>(k_.bytes() + v_.bytes() + vector_.size() * sizeof(float) +
                                ids_.size() * sizeof(int32_t));
  }
  [[nodiscard]] double kv_bytes() const {
    return static_cast<double>(count_) * static_cast<double>(k_.bytes() + v_.bytes());
  }
  [[nodiscard]] double bytes() const {
    return static_cast<double>(count_) * static_cast<double>(chunk_bytes());
  }
  [[nodiscard]] Shape shape() const { return k_.shape(); }
  [[nodiscard]] DType dtype() const { return k_.dtype(); }

  void write(const fs::path& folder) const {
    const auto bank = Bank::open(folder, {.mode = membank::OpenMode::write, .fingerprint = print_});
    const int64_t batch = std::clamp<int64_t>(kCommitBytes / chunk_bytes(), 1, kCommitChunks);
    membank::DocumentId document = 0;
    for (int64_t done = 0; done < count_; done += batch) {
      membank::DocumentId target = 0;
      bank->update([&](membank::Transaction& transaction) {
        target = document;
        if (target == 0) target = transaction.create_document(document_);
        for (int64_t i = done; i < std::min(done + batch, count_); ++i) {
          transaction.append_chunk(target, ids_, vector_, k_, v_);
        }
      });
      document = target;
    }
  }

 private:
  std::vector<int32_t> ids_;
  std::vector<float> vector_;
  Tensor k_;
  Tensor v_;
  membank::Fingerprint print_;
  membank::NewDocument document_;
  int64_t count_ = 0;
};

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

ScratchFolder::ScratchFolder(const fs::path& parent) {
  std::string pattern = (parent / "memlong-bench-XXXXXX").string();
  if (mkdtemp(pattern.data()) == nullptr) fail_errno("cannot create a folder in", parent.string());
  path_ = pattern;
}

ScratchFolder::~ScratchFolder() {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

}  // namespace memlong::bench_tool
