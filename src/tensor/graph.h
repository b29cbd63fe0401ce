// Work that a context has recorded, to be queued again by one call. The host then takes as long for
// hundreds of kernels as for one, and the GPU has shorter gaps between them.
#pragma once

#include <functional>
#include <memory>

#include "tensor/context.h"

namespace memlong {

/// Work of one context, on a GPU. It holds the addresses and the numbers that its ops were given:
/// what changes from one launch to the next must lie in device memory, and all that it reads and
/// writes must stay where it is (see Context::scratch_changes). Not thread-safe.
class Graph {
 public:
  Graph() = default;

  /// Records what `work` queues on the context; nothing of it is done. `work` must have run before
  /// as it is, so that what is made on first use is there (kernels, plans of products, scratch
  /// memory), and may not allocate, wait, or copy from or to the host. Error{device} where it does
  /// so all the same, or the device cannot record it: the context is then as it was before.
  static Graph record(Context& context, const std::function<void()>& work);

  [[nodiscard]] bool empty() const { return recorded_ == nullptr; }
  /// Queues it, in order with the context's other work.
  void launch(Context& context) const;

 private:
  std::shared_ptr<void> recorded_;
};

}  // namespace memlong
