#include "retriever/faiss_soundness.h"

#include <cmath>

#include <faiss/IndexFlat.h>
#include <faiss/IndexHNSW.h>

namespace memlong::retriever {
namespace {

/// No value is so large, or no number, that an inner product could be none: hits are sorted by it.
bool comparable(const faiss::IndexFlat& store) {
  constexpr float kLargest = 1e15F;
  const float* values = store.get_xb();
  bool good = true;
  for (int64_t i = 0; i < store.ntotal * store.d; ++i) good &= std::abs(values[i]) <= kLargest;
  return good;
}

/// Every row has as many links as its levels ask for, one row's behind the other's.
bool offsets_fit(const faiss::HNSW& hnsw, size_t rows) {
  const int most = static_cast<int>(hnsw.cum_nneighbor_per_level.size()) - 1;
  for (size_t row = 0; row < rows; ++row) {
    const int levels = hnsw.levels[row];
    if (levels < 1 || levels > most ||
        hnsw.offsets[row + 1] - hnsw.offsets[row] !=
            static_cast<size_t>(hnsw.cum_nb_neighbors(levels))) {
      return false;
    }
  }
  return hnsw.offsets.front() == 0 && hnsw.offsets.back() == hnsw.neighbors.size();
}

/// A row's links of a level stand before its free places (-1), and lead to rows that have that
/// level. FAISS relies on both when it walks, and when it adds.
bool links_hold(const faiss::HNSW& hnsw) {
  for (size_t row = 0; row < hnsw.levels.size(); ++row) {
    for (int level = 0; level < hnsw.levels[row]; ++level) {
      size_t begin = 0;
      size_t end = 0;
      hnsw.neighbor_range(static_cast<faiss::Index::idx_t>(row), level, &begin, &end);
      while (begin < end && hnsw.neighbors[begin] >= 0) {
        const auto to = static_cast<size_t>(hnsw.neighbors[begin++]);
        if (to >= hnsw.levels.size() || hnsw.levels[to] <= level) return false;
      }
      for (; begin < end; ++begin) {
        if (hnsw.neighbors[begin] != -1) return false;
      }
    }
  }
  return true;
}

}  // namespace

bool store_sound(const faiss::IndexFlat* store, int64_t rows, int64_t dim) {
  return store != nullptr && store->d == dim && store->ntotal == rows &&
         store->metric_type == faiss::METRIC_INNER_PRODUCT &&
         store->codes.size() == static_cast<size_t>(rows * dim) * sizeof(float) &&
         comparable(*store);
}

bool graph_sound(const faiss::IndexHNSWFlat& graph, int64_t rows, int64_t dim, int links) {
  const faiss::HNSW& hnsw = graph.hnsw;
  const faiss::HNSW fresh(links);
  const auto count = static_cast<size_t>(rows);
  if (!store_sound(dynamic_cast<const faiss::IndexFlat*>(graph.storage), rows, dim) ||
      graph.ntotal != rows || hnsw.levels.size() != count || hnsw.offsets.size() != count + 1 ||
      hnsw.cum_nneighbor_per_level != fresh.cum_nneighbor_per_level ||
      hnsw.assign_probas != fresh.assign_probas || hnsw.upper_beam != 1 ||
      !offsets_fit(hnsw, count) || !links_hold(hnsw)) {
    return false;
  }
  if (rows == 0) return hnsw.entry_point < 0;
  return hnsw.entry_point >= 0 && hnsw.entry_point < rows &&
         hnsw.levels[static_cast<size_t>(hnsw.entry_point)] == hnsw.max_level + 1;
}

}  // namespace memlong::retriever
