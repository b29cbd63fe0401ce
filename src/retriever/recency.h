// What is near in the past of a text foretells it better than what is as much like it and far away.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

namespace memlong::retriever {

/// What scores (cosines) lose for the distance of their chunks from the window that reads them.
/// Positions and sizes are in tokens. Thread-safe.
struct Recency {
  float per_doubling = 0.0F;  ///< for every doubling of the distance, counted in chunks
  int64_t window_start = 0;
  int64_t chunk = 1;

  /// Of a chunk that begins at `begin`: 0 right before the window, and never less farther back.
  [[nodiscard]] float loss(int64_t begin) const {
    if (per_doubling == 0.0F) return 0.0F;
    const float chunks = static_cast<float>(window_start - begin) / static_cast<float>(chunk);
    return per_doubling * std::log2(std::max(1.0F, chunks));
  }
};

}  // namespace memlong::retriever
