// Copies between main memory and a GPU that run beside what a context computes.
//
// A copy queue is in order with itself alone. follow() and lead() order it with the context: data
// that the context computes goes down after follow(), data that goes up is there for the context
// after lead(). On the CPU copies are done when copy() returns, and the rest does nothing, so that
// a user has one path for both.
#pragma once

#include <cstddef>
#include <memory>

#include "tensor/context.h"
#include "tensor/tensor.h"

namespace memlong {

/// A place in a queue. Empty: nothing to wait for.
class CopyMark {
 public:
  CopyMark() = default;
  /// Until everything before it is done. Error{device} when something in it failed.
  void wait() const;

 private:
  friend class CopyQueue;
  std::shared_ptr<void> event_;
};

/// Used by the context's thread. Not thread-safe.
class CopyQueue {
 public:
  /// The context must outlive it.
  explicit CopyQueue(Context& context);

  /// Memory where the context computes, for copies of this queue: they need not wait for what the
  /// context has queued. It may be released at any time after lead(). Error{capacity}.
  [[nodiscard]] std::shared_ptr<void> allocate(size_t bytes);
  /// The bytes of `from`. Both contiguous, of one shape and dtype; the one on the host, if any, in
  /// pinned memory (HostBuffer), which must stay as it is until a mark behind it was waited for.
  void copy(const TensorView& from, const TensorView& to);
  /// Copies from now on wait for what the context has queued.
  void follow();
  /// What the context does from now on waits for the copies that are queued.
  void lead();
  [[nodiscard]] CopyMark mark();

 private:
  Context& context_;
  std::shared_ptr<void> stream_;
};

/// Memory of the host that grows and is used again: pinned where the context is a GPU's. Not
/// thread-safe.
class HostBuffer {
 public:
  /// Room for such a tensor; what was in it is lost. No copy may still use it.
  TensorView room(const Context& context, const Shape& shape, DType dtype);

 private:
  std::shared_ptr<void> memory_;
  size_t bytes_ = 0;
};

}  // namespace memlong
