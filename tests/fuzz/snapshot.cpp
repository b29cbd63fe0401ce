#include "retriever/snapshot.h"

#include <algorithm>
#include <array>

#include "common/hash.h"
#include "fuzz/target.h"
#include "fuzz/targets.h"
#include "retriever/index.h"
#include "support/temp_folder.h"

namespace memlong::fuzz {
namespace {

using retriever::Hit;
using retriever::IndexKind;
using retriever::VectorIndex;

constexpr int64_t kDim = 4;
constexpr std::array<float, kDim> kQuery = {1.0F, -1.0F, 0.5F, 2.0F};
constexpr uint64_t kHighest = uint64_t{1} << 62;

retriever::IndexOptions options_of(IndexKind kind) {
  return {
      .kind = kind, .hnsw_links = 4, .hnsw_ef_construction = 8, .hnsw_ef_search = 8, .threads = 1};
}

std::vector<Hit> search(const VectorIndex& index, int64_t k,
                        const retriever::IdFilter& filter = {}) {
  const std::vector<Hit> hits = index.search(kQuery, k, filter);
  require(static_cast<int64_t>(hits.size()) <= std::min(k, index.size()), "more hits than vectors");
  for (size_t i = 0; i < hits.size(); ++i) {
    require(hits[i].id <= index.last_id(), "an id that was never added");
    require(!filter || filter(hits[i].id), "a hit that the filter forbids");
    const bool ordered = i == 0 || hits[i - 1].score > hits[i].score ||
                         (hits[i - 1].score == hits[i].score && hits[i - 1].id < hits[i].id);
    require(ordered, "hits out of order, or one twice");
  }
  return hits;
}

bool has(const std::vector<Hit>& hits, uint64_t id) {
  return std::any_of(hits.begin(), hits.end(), [id](const Hit& hit) { return hit.id == id; });
}

/// A loaded index is used as any other: searched, changed, saved, loaded again.
void use(VectorIndex& index, const std::string& path) {
  const int64_t all = index.size();
  require(static_cast<int64_t>(search(index, all + 1).size()) == all, "vectors that are not found");
  search(index, 2);
  search(index, 3, [](uint64_t id) { return id % 2 == 0; });
  if (index.last_id() < kHighest) {
    const std::array<uint64_t, 1> id = {index.last_id() + 1};
    index.add(id, kQuery);
    require(has(search(index, all + 1), id[0]), "an added vector is not found");
  }
  const std::vector<Hit> hits = search(index, 1);
  if (!hits.empty()) {
    const std::array<uint64_t, 1> id = {hits[0].id};
    index.remove(id);
    require(!has(search(index, all + 1), id[0]), "a removed vector is found");
  }
  index.save(path, 9, "k");
  const auto again = retriever::load_index(path, kDim, "k", options_of(index.kind()));
  require(again.index != nullptr && again.generation == 9, "a saved index does not load");
  const std::vector<Hit> before = search(index, all + 1);
  const std::vector<Hit> after = search(*again.index, all + 1);
  require(std::equal(before.begin(), before.end(), after.begin(), after.end(),
                     [](const Hit& a, const Hit& b) { return a.id == b.id && a.score == b.score; }),
          "a saved index finds something else");
}

}  // namespace

void snapshot(std::string_view input) {
  static const test::TempFolder folder;
  const uint32_t crc = crc32c(std::as_bytes(std::span(input)));
  const std::string path =
      folder.write("index", std::string(input).append(reinterpret_cast<const char*>(&crc), 4));
  for (const IndexKind kind : {IndexKind::flat, IndexKind::hnsw}) {
    // Whatever the file holds, nothing is thrown.
    const auto loaded = retriever::load_index(path, kDim, "k", options_of(kind));
    if (loaded.index == nullptr) continue;
    require(loaded.index->kind() == kind && loaded.index->dim() == kDim, "another index");
    require(loaded.index->size() <= static_cast<int64_t>(input.size()), "vectors from nowhere");
    use(*loaded.index, folder / "saved");
  }
}

}  // namespace memlong::fuzz
