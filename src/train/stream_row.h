// A document as a stream of windows, with the memory that it has made so far: what engine::Stream
// does with it in use, window by window.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <span>
#include <vector>

#include "engine/chunk.h"
#include "engine/loaded_model.h"
#include "retriever/embedder.h"
#include "tensor/context.h"
#include "train/corpus.h"
#include "train/document_order.h"
#include "train/network.h"

namespace memlong::train {

using Query = std::vector<float>;

/// Rows [begin, end) of a window's sequence read what these queries find.
struct RetrievalPoint {
  int64_t position = 0;  ///< token of the stream
  int64_t begin = 0;
  int64_t end = 0;
  std::vector<Query> queries;  ///< empty: nothing is read
  bool as_text = false;        ///< as engine::SetRequest has it
};

/// Tokens [from, to) of a document are the stream; positions count from `from`. Not thread-safe.
class StreamRow {
 public:
  StreamRow(std::shared_ptr<const engine::LoadedModel> model,
            std::shared_ptr<const retriever::Embedder> embedder, int64_t keep)
      : model_(std::move(model)), embedder_(std::move(embedder)), keep_(keep) {}

  /// A new stream, at its first window, without memory. The document must outlive it.
  void begin(const DocumentPlace& place, const Document& document, int64_t from, int64_t to);

  [[nodiscard]] const DocumentPlace& place() const { return place_; }
  [[nodiscard]] const Document& document() const { return *document_; }
  [[nodiscard]] int64_t from() const { return from_; }
  [[nodiscard]] int64_t to() const { return to_; }

  [[nodiscard]] int64_t window_begin() const { return window_; }
  [[nodiscard]] int64_t window_end() const;
  /// Tokens before it were read by the window before.
  [[nodiscard]] int64_t fresh() const { return window_ == 0 ? 0 : window_ + overlap(); }
  [[nodiscard]] std::vector<int32_t> window_ids() const;  ///< BOS in front where windows open so
  [[nodiscard]] std::vector<RetrievalPoint> points() const;

  /// What a point reads of the chunks that lie wholly before the window, oldest first: the `count`
  /// best, and the recent ones where it wants them; only the newest `newest` are looked at (0:
  /// all).
  [[nodiscard]] std::vector<const engine::EncodedChunk*> retrieve(const RetrievalPoint& point,
                                                                  int64_t count,
                                                                  int64_t newest) const;
  /// All that it keeps, oldest first.
  [[nodiscard]] const std::deque<engine::EncodedChunk>& chunks() const { return chunks_; }

  /// Keeps (bf16, where the context computes) the chunks that the current window is the first to
  /// complete.
  void complete(Context& context, const WrittenMemory& written);
  /// The next window; false when nothing of it would be new.
  bool advance();
  /// From the first window to the one that begins at `window`; chunks are made by `write`. False
  /// when the stream has no such window.
  bool walk_to(int64_t window, Context& context, Network& network);

 private:
  [[nodiscard]] int64_t overlap() const { return model_->settings.overlap; }
  [[nodiscard]] int64_t size() const { return to_ - from_; }
  [[nodiscard]] RetrievalPoint point_at(int64_t position) const;
  [[nodiscard]] Query embed(int64_t begin, int64_t end) const;
  [[nodiscard]] int64_t searchable() const;

  std::shared_ptr<const engine::LoadedModel> model_;
  std::shared_ptr<const retriever::Embedder> embedder_;
  int64_t keep_;  ///< chunks before the window that may still be looked at; 0: all
  DocumentPlace place_;
  const Document* document_ = nullptr;
  int64_t from_ = 0;
  int64_t to_ = 0;
  int64_t window_ = 0;
  int64_t completed_ = 0;
  std::deque<engine::EncodedChunk> chunks_;
};

}  // namespace memlong::train
