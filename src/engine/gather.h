// Keys and values of several chunks, one after the other, where the network runs.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "engine/chunk_cache.h"
#include "engine/stream.h"
#include "tensor/context.h"
#include "tensor/copy_queue.h"
#include "tensor/tensor.h"

namespace memlong::engine {

/// Where a chunk's K and V go: views [G, n, D] in main memory.
struct ChunkPlace {
  const RetrievedChunk* chunk = nullptr;
  TensorView k;
  TensorView v;
};

/// Copies K and V of chunks to their places; false for those that are gone.
using ChunkReader = std::function<std::vector<bool>(std::span<const ChunkPlace> places)>;

/// What the keys and values of a network look like.
struct KvLayout {
  int64_t kv_heads = 0;
  int64_t head_dim = 0;
  DType dtype = DType::bf16;
};

/// Makes sets. On a GPU what must be read is read into pinned memory and goes up by one copy beside
/// the work that the context has queued before: only what is queued afterwards waits for it. So a
/// set is fetched while the layers below memory run. Not thread-safe.
class SetGatherer {
 public:
  /// `cached_chunks`: K and V of so many chunks, those that were used last, stay where the context
  /// computes. The context must outlive this.
  SetGatherer(Context& context, const KvLayout& layout, int64_t cached_chunks = 0);

  /// A set of `chunks` in their order. Those that are gone are left out. A chunk that is in cache()
  /// is not read: take out what is gone before.
  RetrievedSet gather(std::vector<RetrievedChunk> chunks, const ChunkReader& read);

  [[nodiscard]] ChunkCache& cache() { return cache_; }

 private:
  struct Part {
    RetrievedChunk chunk;
    Tensor cached;      ///< [2, G, n, D], empty: it had to be read
    int64_t place = 0;  ///< where it was read: the row in what arrived
  };
  /// Pinned memory that one set at a time goes up from.
  struct Staging {
    HostBuffer buffer;
    CopyMark sent;
  };

  [[nodiscard]] std::vector<Part> look_up(std::vector<RetrievedChunk> chunks);
  RetrievedSet read_in_place(std::vector<RetrievedChunk> chunks, const ChunkReader& read) const;
  static std::vector<bool> read_missing(std::vector<Part>& parts, const ChunkReader& read,
                                        const TensorView& host);
  TensorView bring(std::vector<Part>& parts, const ChunkReader& read,
                   std::shared_ptr<void>& memory);
  RetrievedSet assemble(const std::vector<Part>& parts, const TensorView& arrived);
  [[nodiscard]] Shape shape_of(int64_t tokens) const;

  Context& context_;
  KvLayout layout_;
  ChunkCache cache_;
  std::array<Staging, 2> staging_;
  size_t next_ = 0;
  CopyQueue copies_;  // goes first: it may still read what is above
};

}  // namespace memlong::engine
