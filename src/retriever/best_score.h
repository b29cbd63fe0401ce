// How like a chunk is to what asks for it.
#pragma once

#include <algorithm>
#include <limits>
#include <numeric>
#include <span>
#include <vector>

namespace memlong::retriever {

/// The largest inner product of `vector` ([E]) with one of the queries ([E] each): a cosine where
/// all are of unit length. Minus infinity without queries. Thread-safe.
inline float best_score(std::span<const std::vector<float>> queries,
                        std::span<const float> vector) {
  float best = -std::numeric_limits<float>::infinity();
  for (const std::vector<float>& query : queries) {
    best = std::max(best, std::inner_product(query.begin(), query.end(), vector.begin(), 0.0F));
  }
  return best;
}

}  // namespace memlong::retriever
