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

}  // namespace memlong::retriever
