// A bank of as many chunks as are wanted, to measure how it is written and read.
#pragma once

#include <cstdint>
#include <filesystem>
#include <vector>

#include "membank/bank.h"
#include "tools/memlong-bench/network.h"

namespace memlong::bench_tool {

/// A chunk of the network's shape, again and again. Not thread-safe.
class ChunkStore {
 public:
  /// As many chunks as `mib` hold, at least one.
  ChunkStore(const Network& network, int64_t mib);

  [[nodiscard]] int64_t count() const { return count_; }
  /// Of keys, values, vector and tokens of one.
  [[nodiscard]] int64_t chunk_bytes() const;
  /// Of all keys and values.
  [[nodiscard]] double kv_bytes() const;
  [[nodiscard]] double bytes() const;                       ///< of all chunks
  [[nodiscard]] Shape shape() const { return k_.shape(); }  ///< [G, tau, D]
  [[nodiscard]] DType dtype() const { return k_.dtype(); }

  /// Makes the bank, a few MiB a commit. Errors: those of Bank.
  void write(const std::filesystem::path& folder) const;

 private:
  std::vector<int32_t> ids_;
  std::vector<float> vector_;
  Tensor k_;
  Tensor v_;
  membank::Fingerprint print_;
  membank::NewDocument document_;
  int64_t count_ = 0;
};

}  // namespace memlong::bench_tool
