#include "retriever/index.h"

#include "common/error.h"

namespace memlong::retriever {

IndexKind parse_index_kind(std::string_view name) {
  if (name == "flat") return IndexKind::flat;
  if (name == "hnsw") return IndexKind::hnsw;
  fail(ErrorKind::usage, "unknown index '" + std::string(name) + "'; known: flat, hnsw");
}

std::string_view index_kind_name(IndexKind kind) {
  return kind == IndexKind::flat ? "flat" : "hnsw";
}

std::vector<std::vector<Hit>> VectorIndex::search_all(
    std::span<const std::span<const float>> queries, int64_t k, const IdFilter& filter) const {
  std::vector<std::vector<Hit>> all;
  all.reserve(queries.size());
  for (const std::span<const float> query : queries) all.push_back(search(query, k, filter));
  return all;
}

}  // namespace memlong::retriever
