// The flat and the HNSW index. FAISS holds vectors and links and serialises them; ids, filters and
// inner products are ours: its own flat search was measured 4 to 9 times slower than scan_rows()
// (1,300 and 100,000 vectors of 256, two cores), and its insertion depends on the batch.
#include <algorithm>
#include <cstring>
#include <limits>
#include <utility>

#include <faiss/IndexFlat.h>
#include <faiss/IndexHNSW.h>
#include <faiss/impl/AuxIndexStructures.h>
#include <faiss/impl/DistanceComputer.h>
#include <faiss/impl/IDSelector.h>
#include <faiss/impl/io.h>
#include <faiss/index_io.h>

#include "common/error.h"
#include "common/log.h"
#include "retriever/device_index.h"
#include "retriever/faiss_payload.h"
#include "retriever/faiss_soundness.h"
#include "retriever/index.h"
#include "retriever/snapshot.h"

namespace memlong::retriever {
namespace {

using FaissId = faiss::Index::idx_t;

struct StringWriter : faiss::IOWriter {
  std::string bytes;
  size_t operator()(const void* data, size_t size, size_t count) override {
    bytes.append(static_cast<const char*>(data), size * count);
    return count;
  }
};

struct ViewReader : faiss::IOReader {
  explicit ViewReader(std::string_view view) : left(view) {}
  std::string_view left;
  size_t operator()(void* data, size_t size, size_t count) override {
    const size_t whole = size == 0 ? 0 : std::min(count, left.size() / size);
    if (whole > 0) std::memcpy(data, left.data(), whole * size);
    left.remove_prefix(whole * size);
    return whole;
  }
};

struct DeadRows : faiss::IDSelector {
  std::span<const uint8_t> dead;
  [[nodiscard]] bool is_member(FaissId row) const override {
    return dead[static_cast<size_t>(row)] != 0;
  }
};

/// FAISS looks for the smallest distance: the negative inner product.
struct NegativeInnerProduct : faiss::DistanceComputer {
  NegativeInnerProduct(const float* rows, int64_t dim) : vectors(rows), width(dim) {}
  void set_query(const float* x) override { query = x; }
  float operator()(FaissId row) override {
    return -inner_product(query, vectors + row * width, width);
  }
  float symmetric_dis(FaissId a, FaissId b) override {
    return -inner_product(vectors + a * width, vectors + b * width, width);
  }
  const float* vectors;
  const float* query = nullptr;
  int64_t width;
};

/// Checks what every index asks of add() and of search().
void check_add(uint64_t next_id, std::span<const uint64_t> ids, std::span<const float> vectors,
               int64_t dim) {
  MEMLONG_CHECK(vectors.size() == ids.size() * static_cast<size_t>(dim),
                "as many vectors as ids are needed");
  MEMLONG_CHECK(std::ranges::adjacent_find(ids, std::greater_equal<>()) == ids.end(),
                "ids must rise");
  MEMLONG_CHECK(ids.empty() || ids.front() >= next_id, "ids must be larger than any added before");
}

void check_query(std::span<const float> query, int64_t dim) {
  MEMLONG_CHECK(static_cast<int64_t>(query.size()) == dim, "the query has another dimension");
}

/// The row of an id; -1: none.
int64_t row_of(std::span<const uint64_t> ids, uint64_t id) {
  const auto place = std::ranges::lower_bound(ids, id);
  return place == ids.end() || *place != id ? -1 : place - ids.begin();
}

/// Marks the rows of `wanted` in `dead`, and says how many were alive.
int64_t mark_dead(std::span<const uint64_t> ids, std::span<const uint64_t> wanted,
                  std::vector<uint8_t>& dead) {
  int64_t marked = 0;
  for (const uint64_t id : wanted) {
    const int64_t row = row_of(ids, id);
    if (row < 0) continue;
    uint8_t& flag = dead[static_cast<size_t>(row)];
    marked += flag == 0 ? 1 : 0;
    flag = 1;
  }
  return marked;
}

void save_rows(const std::filesystem::path& path, const SnapshotHeader& header,
               const faiss::Index& index, std::span<const uint64_t> ids,
               std::span<const uint8_t> dead) {
  StringWriter writer;
  faiss::write_index(&index, &writer);
  write_snapshot(path, header, ids, dead, writer.bytes);
}

class FlatIndex : public RowIndex {
 public:
  FlatIndex(int64_t dim, int threads)
      : store_(std::make_unique<faiss::IndexFlatIP>(dim)), threads_(threads) {}
  FlatIndex(std::unique_ptr<faiss::IndexFlat> store, Snapshot& snapshot, int threads)
      : store_(std::move(store)),
        ids_(std::move(snapshot.ids)),
        next_id_(snapshot.header.next_id),
        threads_(threads) {}

  [[nodiscard]] IndexKind kind() const override { return IndexKind::flat; }
  [[nodiscard]] int64_t dim() const override { return store_->d; }
  [[nodiscard]] int64_t size() const override { return static_cast<int64_t>(ids_.size()); }
  [[nodiscard]] uint64_t last_id() const override { return next_id_ == 0 ? 0 : next_id_ - 1; }
  [[nodiscard]] std::span<const float> vector(uint64_t id) const override {
    const int64_t row = row_of(ids_, id);
    if (row < 0) return {};
    return {store_->get_xb() + row * dim(), static_cast<size_t>(dim())};
  }

  void add(std::span<const uint64_t> ids, std::span<const float> vectors) override {
    check_add(next_id_, ids, vectors, dim());
    if (ids.empty()) return;
    next_id_ = ids.back() + 1;
    store_->add(static_cast<FaissId>(ids.size()), vectors.data());
    ids_.insert(ids_.end(), ids.begin(), ids.end());
  }

  void remove(std::span<const uint64_t> ids) override {
    std::vector<uint8_t> dead(ids_.size(), 0);
    if (mark_dead(ids_, ids, dead) == 0) return;
    DeadRows selector;
    selector.dead = dead;
    store_->remove_ids(selector);
    size_t row = 0;
    std::erase_if(ids_, [&](uint64_t) { return dead[row++] != 0; });
  }

  [[nodiscard]] std::vector<Hit> search(std::span<const float> query, int64_t k,
                                        const IdFilter& filter) const override {
    check_query(query, dim());
    return scan_rows(rows(), query, k, filter, threads_);
  }
  [[nodiscard]] RowView rows() const override { return {store_->get_xb(), dim(), ids_, {}}; }

  void save(const std::filesystem::path& path, uint64_t generation,
            const std::string& key) const override {
    const std::vector<uint8_t> dead(ids_.size(), 0);
    save_rows(path, {kind(), dim(), generation, key, next_id_}, *store_, ids_, dead);
  }

 private:
  std::unique_ptr<faiss::IndexFlat> store_;
  std::vector<uint64_t> ids_;
  uint64_t next_id_ = 0;  // one more than the largest that was ever added
  int threads_;
};

/// Rows are inserted one by one in the order of their ids, and a row's level follows from its
/// number, so the graph does not depend on the batches it came in.
class HnswIndex : public VectorIndex {
 public:
  HnswIndex(int64_t dim, const IndexOptions& options) : options_(options) { reset(dim); }
  HnswIndex(std::unique_ptr<faiss::IndexHNSWFlat> graph, Snapshot& snapshot,
            const IndexOptions& options)
      : options_(options),
        graph_(std::move(graph)),
        ids_(std::move(snapshot.ids)),
        next_id_(snapshot.header.next_id),
        dead_(std::move(snapshot.dead)) {
    apply_options();
    dead_count_ = std::ranges::count(dead_, uint8_t{1});
  }

  [[nodiscard]] IndexKind kind() const override { return IndexKind::hnsw; }
  [[nodiscard]] int64_t dim() const override { return graph_->d; }
  [[nodiscard]] int64_t size() const override { return graph_->ntotal - dead_count_; }
  [[nodiscard]] uint64_t last_id() const override { return next_id_ == 0 ? 0 : next_id_ - 1; }

  [[nodiscard]] std::span<const float> vector(uint64_t id) const override {
    const int64_t row = row_of(ids_, id);
    if (row < 0 || dead_[static_cast<size_t>(row)] != 0) return {};
    return {vectors() + row * dim(), static_cast<size_t>(dim())};
  }
  void add(std::span<const uint64_t> ids, std::span<const float> vectors) override;
  void remove(std::span<const uint64_t> ids) override;
  [[nodiscard]] int64_t removed() const override { return dead_count_; }
  [[nodiscard]] std::vector<Hit> search(std::span<const float> query, int64_t k,
                                        const IdFilter& filter) const override;
  void save(const std::filesystem::path& path, uint64_t generation,
            const std::string& key) const override {
    save_rows(path, {kind(), dim(), generation, key, next_id_}, *graph_, ids_, dead_);
  }

 private:
  void reset(int64_t dim);
  void apply_options() {
    graph_->hnsw.efConstruction = options_.hnsw_ef_construction;
    graph_->hnsw.efSearch = options_.hnsw_ef_search;
  }
  void rebuild();
  [[nodiscard]] const float* vectors() const {
    return static_cast<const faiss::IndexFlat*>(graph_->storage)->get_xb();
  }
  [[nodiscard]] std::vector<FaissId> nearest_rows(const float* query, int64_t count) const;

  IndexOptions options_;
  std::unique_ptr<faiss::IndexHNSWFlat> graph_;
  std::vector<uint64_t> ids_;
  uint64_t next_id_ = 0;  // one more than the largest that was ever added
  std::vector<uint8_t> dead_;
  int64_t dead_count_ = 0;
};

void HnswIndex::reset(int64_t dim) {
  graph_ = std::make_unique<faiss::IndexHNSWFlat>(static_cast<int>(dim), options_.hnsw_links,
                                                  faiss::METRIC_INNER_PRODUCT);
  apply_options();
  ids_.clear();
  dead_.clear();
  dead_count_ = 0;
}

void HnswIndex::add(std::span<const uint64_t> ids, std::span<const float> vectors) {
  check_add(next_id_, ids, vectors, dim());
  if (ids.empty()) return;
  next_id_ = ids.back() + 1;
  const int64_t first = graph_->ntotal;
  graph_->storage->add(static_cast<FaissId>(ids.size()), vectors.data());
  graph_->ntotal = graph_->storage->ntotal;
  ids_.insert(ids_.end(), ids.begin(), ids.end());
  dead_.resize(ids_.size(), 0);

  faiss::HNSW& hnsw = graph_->hnsw;
  std::vector<omp_lock_t> locks(ids_.size());
  for (omp_lock_t& lock : locks) omp_init_lock(&lock);
  faiss::VisitedTable visited(static_cast<int>(ids_.size()));
  NegativeInnerProduct distance(this->vectors(), dim());
  for (int64_t row = first; row < graph_->ntotal; ++row) {
    hnsw.rng = faiss::RandomGenerator(row + 1);
    const int level = hnsw.prepare_level_tab(1);
    distance.set_query(this->vectors() + row * dim());
    hnsw.add_with_locks(distance, level, static_cast<int>(row), locks, visited);
  }
  for (omp_lock_t& lock : locks) omp_destroy_lock(&lock);
}

void HnswIndex::remove(std::span<const uint64_t> ids) {
  dead_count_ += mark_dead(ids_, ids, dead_);
  if (dead_count_ * 4 > graph_->ntotal) rebuild();
}

void HnswIndex::rebuild() {
  std::vector<uint64_t> ids;
  std::vector<float> rows;
  ids.reserve(static_cast<size_t>(size()));
  rows.reserve(static_cast<size_t>(size() * dim()));
  for (size_t row = 0; row < ids_.size(); ++row) {
    if (dead_[row] != 0) continue;
    const float* begin = vectors() + static_cast<int64_t>(row) * dim();
    ids.push_back(ids_[row]);
    rows.insert(rows.end(), begin, begin + dim());
  }
  const uint64_t next_id = std::exchange(next_id_, 0);
  reset(dim());
  add(ids, rows);
  next_id_ = next_id;
}

std::vector<FaissId> HnswIndex::nearest_rows(const float* query, int64_t count) const {
  std::vector<FaissId> rows(static_cast<size_t>(count), -1);
  std::vector<float> distances(static_cast<size_t>(count), std::numeric_limits<float>::max());
  NegativeInnerProduct distance(vectors(), dim());
  distance.set_query(query);
  faiss::VisitedTable visited(static_cast<int>(graph_->ntotal));
  // 1.7.3 sizes its queue by the graph's own efSearch, whatever the search parameters say.
  graph_->hnsw.search(distance, static_cast<int>(count), rows.data(), distances.data(), visited);
  std::erase(rows, FaissId{-1});
  return rows;
}

std::vector<Hit> HnswIndex::search(std::span<const float> query, int64_t k,
                                   const IdFilter& filter) const {
  check_query(query, dim());
  if (k <= 0 || size() == 0) return {};
  // A walk that would see a good part of the rows costs more than looking at all that pass.
  for (int64_t count = std::min(k, graph_->ntotal) * 2; count * 8 <= graph_->ntotal; count *= 4) {
    std::vector<Hit> hits;
    for (const FaissId row : nearest_rows(query.data(), count)) {
      const uint64_t id = ids_[static_cast<size_t>(row)];
      if (dead_[static_cast<size_t>(row)] != 0 || (filter && !filter(id))) continue;
      hits.push_back({id, inner_product(vectors() + row * dim(), query.data(), dim())});
    }
    sort_hits(hits, k);
    if (static_cast<int64_t>(hits.size()) == k) return hits;
  }
  return scan_rows({vectors(), dim(), ids_, dead_}, query, k, filter, options_.threads);
}

std::unique_ptr<VectorIndex> with_device(std::unique_ptr<FlatIndex> index,
                                         const IndexOptions& options) {
  if (options.device == nullptr) return index;
  return make_device_index(std::move(index), options);
}

std::unique_ptr<VectorIndex> rows_to_index(Snapshot& snapshot, int64_t dim,
                                           const IndexOptions& options) {
  const auto rows = static_cast<int64_t>(snapshot.ids.size());
  if (!payload_fits(snapshot.payload, options.kind, rows, dim)) return nullptr;
  ViewReader reader(snapshot.payload);
  std::unique_ptr<faiss::Index> loaded(faiss::read_index(&reader));
  if (options.kind == IndexKind::flat) {
    auto* flat = dynamic_cast<faiss::IndexFlat*>(loaded.get());
    if (!store_sound(flat, rows, dim)) return nullptr;
    (void)loaded.release();  // the line below owns it
    return with_device(std::make_unique<FlatIndex>(std::unique_ptr<faiss::IndexFlat>(flat),
                                                   snapshot, options.threads),
                       options);
  }
  auto* graph = dynamic_cast<faiss::IndexHNSWFlat*>(loaded.get());
  if (graph == nullptr || !graph_sound(*graph, rows, dim, options.hnsw_links)) return nullptr;
  (void)loaded.release();  // the line below owns it
  return std::make_unique<HnswIndex>(std::unique_ptr<faiss::IndexHNSWFlat>(graph), snapshot,
                                     options);
}

}  // namespace

std::unique_ptr<VectorIndex> make_index(int64_t dim, const IndexOptions& options) {
  MEMLONG_CHECK(dim > 0 && dim <= (1 << 20), "a vector needs a dimension");
  if (options.kind == IndexKind::flat) {
    return with_device(std::make_unique<FlatIndex>(dim, options.threads), options);
  }
  if (options.hnsw_links < 2 || options.hnsw_ef_construction < 1 || options.hnsw_ef_search < 1) {
    fail(ErrorKind::usage, "hnsw needs at least 2 links and ef values of at least 1");
  }
  return std::make_unique<HnswIndex>(dim, options);
}

LoadedIndex load_index(const std::filesystem::path& path, int64_t dim, const std::string& key,
                       const IndexOptions& options) {
  try {
    std::optional<Snapshot> snapshot = read_snapshot(path, {options.kind, dim, 0, key, 0});
    if (!snapshot) return {};
    return {rows_to_index(*snapshot, dim, options), snapshot->header.generation,
            snapshot->header.key};
  } catch (const std::exception& error) {
    log::debug("index snapshot " + path.string() + " not used: " + error.what());
    return {};
  }
}

}  // namespace memlong::retriever
