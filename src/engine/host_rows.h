// Keys and values on their way from a GPU to chunks in main memory: all rows of a pass in one copy.
#pragma once

#include <cstdint>

#include "tensor/context.h"
#include "tensor/copy_queue.h"
#include "tensor/tensor.h"

namespace memlong::engine {

/// Rows on the device are written to keys() and values(), sent, and cut on the host, again and
/// again. Not thread-safe. Must not go before the CopyQueue that it sends with: declare that one
/// behind it.
class HostRows {
 public:
  /// Makes room for `rows` keys and values on the device; what was sent before is lost.
  void begin(Context& context, int64_t kv_heads, int64_t rows, int64_t head_dim, DType dtype);
  [[nodiscard]] TensorView keys() const { return part(0); }    ///< [G, rows, D] on the device
  [[nodiscard]] TensorView values() const { return part(1); }  ///< [G, rows, D] on the device
  /// Queues the copy down, behind what the context has queued.
  void send(Context& context, CopyQueue& copies);
  /// Rows [begin, end) as tensors of their own, once they have come: K and V [G, n, D].
  struct Cut {
    Tensor k;
    Tensor v;
  };
  [[nodiscard]] Cut cut(int64_t begin, int64_t end) const;

 private:
  [[nodiscard]] TensorView part(int which) const;

  Tensor room_;        ///< on the device; grows
  TensorView device_;  ///< [2, G, rows, D]
  HostBuffer buffer_;
  TensorView host_;
  CopyMark mark_;
};

/// Rows of one pass from which chunks are cut, wherever the network runs. Not thread-safe.
class ChunkRows {
 public:
  /// The context must outlive it.
  explicit ChunkRows(Context& context) : context_(context), copies_(context) {}

  /// K and V [G, n, D] as the network left them; they must stay until the last cut(). In main
  /// memory they are not copied, from a GPU all come in one copy.
  void take(const TensorView& k, const TensorView& v, DType dtype);
  /// Rows [begin, end) of them, in main memory.
  [[nodiscard]] HostRows::Cut cut(int64_t begin, int64_t end);

 private:
  Context& context_;
  TensorView k_;
  TensorView v_;
  DType dtype_ = DType::f32;
  HostRows rows_;
  CopyQueue copies_;
};

}  // namespace memlong::engine
