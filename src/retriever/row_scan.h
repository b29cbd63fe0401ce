// Exact search over rows in memory: what the flat index does, and HNSW's way out when most of its
// rows are filtered away. Internal to the retriever.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "retriever/index.h"

namespace memlong::retriever {

/// Inner product of two vectors of n floats. The order of additions depends on n alone, so a row's
/// score never depends on where the row lies or on how many threads look at it.
float inner_product(const float* a, const float* b, int64_t n);

/// Rows that somebody else owns: vectors [N, E] beside their ids [N].
struct RowView {
  const float* vectors = nullptr;
  int64_t dim = 0;
  std::span<const uint64_t> ids;
  std::span<const uint8_t> dead;  ///< [N], 1: never returned; or empty: none is
};

/// Best first, equal scores by lower id; a score that is not a number comes last.
void sort_hits(std::vector<Hit>& hits, int64_t k);

/// The k best rows that pass the filter (called in this thread only, in row order). `threads`: at
/// most so many, and only where the scan is large; 0: as many as the process may use. Thread-safe.
std::vector<Hit> scan_rows(const RowView& rows, std::span<const float> query, int64_t k,
                           const IdFilter& filter, int threads);

}  // namespace memlong::retriever
