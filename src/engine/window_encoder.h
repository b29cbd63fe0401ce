// Windows to chunks: many in one pass of the writer.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "engine/chunk.h"
#include "engine/host_rows.h"
#include "engine/loaded_model.h"
#include "retriever/embedder.h"
#include "tensor/context.h"
#include "tensor/copy_queue.h"

namespace memlong::engine {

/// On a GPU a batch of windows is only queued by run(): its keys and values come down, and are made
/// into chunks, while the GPU reads the next. Not thread-safe.
class WindowEncoder {
 public:
  using Sink = std::function<void(EncodedChunk&&)>;
  /// Tokens [begin, end) of the document.
  struct Span {
    int64_t begin = 0;
    int64_t end = 0;
  };
  /// What is done in one go: a window, its chunks, then a call. Each may be missing.
  struct Step {
    std::vector<int32_t> ids;  ///< of the window, as it is read (with its BOS)
    int64_t start = 0;         ///< token of the document that the window begins with
    std::vector<Span> chunks;  ///< all within the window
    std::function<void()> call;
  };

  /// `kv_dtype`: of the chunks' K and V.
  WindowEncoder(Context& context, std::shared_ptr<const LoadedModel> model,
                std::shared_ptr<const retriever::Embedder> embedder, DType kv_dtype);

  /// Reads the windows. By the return of the next run() or of finish() their chunks went to the
  /// sink and the calls were made, all in the order of the steps.
  void run(std::vector<Step> steps, const Sink& sink);
  /// Hands out what is left. Does nothing where nothing is.
  void finish(const Sink& sink);
  /// Whether finish() has something to do.
  [[nodiscard]] bool busy() const { return !running_.empty(); }

 private:
  /// Where a batch's results lie until they are handed out.
  struct Slot {
    HostRows rows;
    HostBuffer hidden_buffer;
    TensorView hidden;  ///< [T, C] f32 in main memory, where the embedder needs it
  };

  TensorView read(const std::vector<Step>& steps);
  void send_down(const TensorView& x);
  void hand_out_rows(const std::vector<Step>& steps, const TensorView& x, const Sink& sink);
  void hand_out_sent(const std::vector<Step>& steps, Slot& slot, const Sink& sink);
  [[nodiscard]] EncodedChunk chunk_of(const Step& step, const Span& span,
                                      const TensorView& hidden) const;

  Context& context_;
  std::shared_ptr<const LoadedModel> model_;
  std::shared_ptr<const retriever::Embedder> embedder_;
  DType kv_dtype_;
  ChunkRows chunk_rows_;       ///< in main memory
  std::vector<Step> running_;  ///< on the GPU: queued, their results go to slots_[current_]
  std::array<Slot, 2> slots_;
  size_t current_ = 0;
  CopyQueue copies_;
};

}  // namespace memlong::engine
