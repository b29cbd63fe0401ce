// Repeatable vectors for the tests of the indexes.
#pragma once

#include <cmath>
#include <cstdint>
#include <numeric>
#include <random>
#include <span>
#include <vector>

namespace memlong::retriever {

/// n directions of `dim` numbers; only mt19937's bits are used, so they are the same everywhere.
inline std::vector<float> random_directions(int64_t n, int64_t dim, uint32_t seed) {
  std::mt19937 bits(seed);
  std::vector<float> rows(static_cast<size_t>(n * dim));
  for (float& value : rows) value = static_cast<float>(bits() >> 8) / 8388608.0F - 1.0F;
  for (int64_t row = 0; row < n; ++row) {
    const std::span<float> part =
        std::span(rows).subspan(static_cast<size_t>(row * dim), static_cast<size_t>(dim));
    const float norm = std::sqrt(std::inner_product(part.begin(), part.end(), part.begin(), 0.0F));
    for (float& value : part) value /= norm;
  }
  return rows;
}

/// first, first + step, ...
inline std::vector<uint64_t> rising_ids(int64_t n, uint64_t first, uint64_t step) {
  std::vector<uint64_t> ids(static_cast<size_t>(n));
  for (size_t i = 0; i < ids.size(); ++i) ids[i] = first + step * i;
  return ids;
}

}  // namespace memlong::retriever
