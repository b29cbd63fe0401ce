// What FAISS has read of an index, looked at before it is used. Internal to the retriever.
#pragma once

#include <cstdint>

namespace faiss {
struct IndexFlat;
struct IndexHNSWFlat;
}  // namespace faiss

namespace memlong::retriever {

/// Whether it holds `rows` vectors of `dim` that can be compared by inner product. Null is not.
bool store_sound(const faiss::IndexFlat* store, int64_t rows, int64_t dim);

/// Whether its vectors are sound, and its links such as this program makes them: none leads out of
/// the graph.
bool graph_sound(const faiss::IndexHNSWFlat& graph, int64_t rows, int64_t dim, int links);

}  // namespace memlong::retriever
