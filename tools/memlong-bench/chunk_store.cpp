#include "tools/memlong-bench/chunk_store.h"

#include <algorithm>

#include "tools/common/signals.h"

namespace memlong::bench_tool {
namespace {

constexpr int64_t kCommitChunks = 256;
constexpr int64_t kCommitBytes = int64_t{64} << 20;

/// A chunk's, in main memory.
Tensor host_keys(const Network& network) {
  Context host({.threads = 1});
  return random_memory(host, network, network.settings.chunk).k;
}

}  // namespace

ChunkStore::ChunkStore(const Network& network, int64_t mib)
    : ids_(static_cast<size_t>(network.settings.chunk), 3),
      vector_(static_cast<size_t>(network.config.hidden), 0.01F),
      k_(host_keys(network)),
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

int64_t ChunkStore::chunk_bytes() const {
  return static_cast<int64_t>(k_.bytes() + v_.bytes() + vector_.size() * sizeof(float) +
                              ids_.size() * sizeof(int32_t));
}

double ChunkStore::kv_bytes() const {
  return static_cast<double>(count_) * static_cast<double>(k_.bytes() + v_.bytes());
}

double ChunkStore::bytes() const {
  return static_cast<double>(count_) * static_cast<double>(chunk_bytes());
}

void ChunkStore::write(const std::filesystem::path& folder) const {
  const auto bank =
      membank::Bank::open(folder, {.mode = membank::OpenMode::write, .fingerprint = print_});
  const int64_t batch = std::clamp<int64_t>(kCommitBytes / chunk_bytes(), 1, kCommitChunks);
  membank::DocumentId document = 0;
  for (int64_t done = 0; done < count_; done += batch) {
    tools::throw_if_stopped();
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

}  // namespace memlong::bench_tool
