// Vectors to the nearest chunks, by inner product. FAISS stays behind this interface.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "retriever/search_device.h"

namespace memlong::retriever {

struct Hit {
  uint64_t id = 0;
  float score = 0.0F;
};

/// Which ids may be returned.
using IdFilter = std::function<bool(uint64_t id)>;

enum class IndexKind : uint8_t { flat, hnsw };
IndexKind parse_index_kind(std::string_view name);  ///< Errors: usage
std::string_view index_kind_name(IndexKind kind);

struct IndexOptions {
  IndexKind kind = IndexKind::flat;
  int hnsw_links = 32;
  int hnsw_ef_construction = 200;
  int hnsw_ef_search = 128;
  int threads = 0;  ///< at most so many in one large scan; 0: as many as the process may use
  /// Searches a flat index; the results stay the same. Null: the processor does it all.
  std::shared_ptr<SearchDevice> device = nullptr;
  int64_t device_rows = 4096;  ///< fewer are not worth loading; as many may be new and not there
};

/// Ids rise as they are added. Not thread-safe for changes; searches may run side by side.
class VectorIndex {
 public:
  virtual ~VectorIndex() = default;
  [[nodiscard]] virtual IndexKind kind() const = 0;
  [[nodiscard]] virtual int64_t dim() const = 0;
  [[nodiscard]] virtual int64_t size() const = 0;  ///< vectors that can be returned
  /// The largest id that was ever added; 0 when there was none.
  [[nodiscard]] virtual uint64_t last_id() const = 0;
  /// [E], as it was added; empty: it is not there. Valid until the next change.
  [[nodiscard]] virtual std::span<const float> vector(uint64_t id) const = 0;
  /// ids [n] rising and larger than any added before, vectors [n, E].
  virtual void add(std::span<const uint64_t> ids, std::span<const float> vectors) = 0;
  virtual void remove(std::span<const uint64_t> ids) = 0;  ///< unknown ids are ignored
  /// Vectors that were removed and are still in it, out of reach. A snapshot holds them, too.
  [[nodiscard]] virtual int64_t removed() const { return 0; }
  /// The k best that pass the filter, best first, equal scores by lower id. Exact for flat; for
  /// hnsw over-fetches until k passed or all were seen.
  [[nodiscard]] virtual std::vector<Hit> search(std::span<const float> query, int64_t k,
                                                const IdFilter& filter) const = 0;
  /// What search() gives for each of the queries: in one go where that is quicker.
  [[nodiscard]] virtual std::vector<std::vector<Hit>> search_all(
      std::span<const std::span<const float>> queries, int64_t k, const IdFilter& filter) const;
  /// Writes a snapshot that carries `generation` and `key` (what it was made of), atomically.
  virtual void save(const std::filesystem::path& path, uint64_t generation,
                    const std::string& key) const = 0;
};

std::unique_ptr<VectorIndex> make_index(int64_t dim, const IndexOptions& options);

struct LoadedIndex {
  std::unique_ptr<VectorIndex> index;
  uint64_t generation = 0;
  std::string key = {};  ///< the whole of it
};

/// A snapshot, or nothing (index == nullptr) when it is missing, damaged (CRC-32C), of another
/// kind or dimension, or its key does not begin with `key`: the caller rebuilds. Never throws for
/// what the file holds.
LoadedIndex load_index(const std::filesystem::path& path, int64_t dim, const std::string& key,
                       const IndexOptions& options);

}  // namespace memlong::retriever
