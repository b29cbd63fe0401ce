// Text to chunks through the writer alone: what ingest runs.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "engine/chunk.h"
#include "engine/loaded_model.h"
#include "engine/window_encoder.h"
#include "retriever/embedder.h"
#include "tensor/context.h"

namespace memlong::engine {

/// Reads documents window by window and hands out their chunks in order. A chunk's K and V come
/// from the first window that completes it; windows start at multiples of window_stride(), so they
/// depend on the document's tokens alone, however the ids arrive and wherever a run is taken up
/// again (up to rounding, where several windows are read at once). Not thread-safe.
class Encoder {
 public:
  using Sink = std::function<void(EncodedChunk&&)>;
  /// `kv_dtype`: of the chunks' K and V. `windows`: so many whole windows, or as many tokens in
  /// shorter ones of several documents, are collected and read at once; 1: each at once and alone.
  Encoder(Context& context, std::shared_ptr<const LoadedModel> model,
          std::shared_ptr<const retriever::Embedder> embedder, DType kv_dtype, Sink sink,
          int64_t windows = 1);

  /// Starts a document. Chunks that end at or before `done` are known already: the ids are still to
  /// be pushed from the document's start, but windows that give nothing new are skipped.
  void begin(int64_t done = 0);
  void push(std::span<const int32_t> ids);
  /// The rest of the document, with a last chunk that may be short (unless `keep_tail`: then the
  /// unfinished chunk gives nothing). Returns the document's tokens. Where windows are collected,
  /// its last chunks may come while later documents are read, or with flush().
  int64_t finish(bool keep_tail = false);
  /// Calls `fn` when the chunks of all that was pushed before have come: at once, or among later
  /// calls.
  void then(std::function<void()> fn);
  /// Reads what was collected: afterwards all chunks and calls have come.
  void flush();

  [[nodiscard]] int64_t tokens_computed() const { return computed_; }  ///< overlap included

 private:
  void add_window(int64_t count, bool last);
  void run();

  std::shared_ptr<const LoadedModel> model_;
  Sink sink_;
  int64_t windows_;
  WindowEncoder encoder_;
  std::vector<WindowEncoder::Step> waiting_;  ///< to be read together
  int64_t rows_ = 0;                          ///< of waiting_
  std::vector<int32_t> buffer_;               ///< ids from window_start_ on
  int64_t window_start_ = 0;
  int64_t emitted_ = 0;  ///< chunks up to this token are out, waiting, or known
  int64_t total_ = 0;
  int64_t computed_ = 0;
};

}  // namespace memlong::engine
