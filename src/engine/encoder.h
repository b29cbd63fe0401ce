// Text to chunks through the writer alone: what ingest runs.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "backbone/kv_cache.h"
#include "engine/chunk.h"
#include "engine/loaded_model.h"
#include "retriever/embedder.h"
#include "tensor/context.h"

namespace memlong::engine {

/// Reads one document window by window and hands out its chunks in order. A chunk's K and V come
/// from the first window that completes it; windows start at multiples of window_stride(), so they
/// depend on the document's tokens alone, however the ids arrive and wherever a run is taken up
/// again. Not thread-safe.
class Encoder {
 public:
  using Sink = std::function<void(EncodedChunk&&)>;
  /// `kv_dtype`: of the chunks' K and V.
  Encoder(Context& context, std::shared_ptr<const LoadedModel> model,
          std::shared_ptr<const retriever::Embedder> embedder, DType kv_dtype, Sink sink);

  /// Starts a document. Chunks that end at or before `done` are known already: the ids are still to
  /// be pushed from the document's start, but windows that give nothing new are skipped.
  void begin(int64_t done = 0);
  void push(std::span<const int32_t> ids);
  /// The rest of the document, with a last chunk that may be short (unless `keep_tail`: then the
  /// unfinished chunk gives nothing). Returns the document's tokens.
  int64_t finish(bool keep_tail = false);

  [[nodiscard]] int64_t tokens_computed() const { return computed_; }  ///< overlap included

 private:
  void run_window(int64_t count, bool last);
  void emit(int64_t begin, int64_t end, const TensorView& hidden);

  Context& context_;
  std::shared_ptr<const LoadedModel> model_;
  std::shared_ptr<const retriever::Embedder> embedder_;
  DType kv_dtype_;
  Sink sink_;
  backbone::KvCache cache_;
  std::vector<int32_t> buffer_;  ///< ids from window_start_ on
  int64_t window_start_ = 0;
  int64_t emitted_ = 0;  ///< chunks up to this token are out (or known)
  int64_t total_ = 0;
  int64_t computed_ = 0;
};

}  // namespace memlong::engine
