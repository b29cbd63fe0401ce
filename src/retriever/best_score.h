// How like a chunk is to what asks for it.
#pragma once

#include <algorithm>
#include <limits>
#include <span>
#include <vector>

#include "retriever/row_scan.h"

namespace memlong::retriever {

/// The largest inner product of `vector` ([E]) with one of the queries ([E] each), as a search
/// computes it: a cosine where all are of unit length. Minus infinity without queries. Thread-safe.
inline float best_score(std::span<const std::vector<float>> queries,
                        std::span<const float> vector) {
  float best = -std::numeric_limits<float>::infinity();
  const auto size = static_cast<int64_t>(vector.size());
  for (const std::vector<float>& query : queries) {
    best = std::max(best, inner_product(query.data(), vector.data(), size));
  }
  return best;
}

}  // namespace memlong::retriever
