// Timing of an operator that is called again and again.
#pragma once

#include <cstdint>
#include <functional>

#include "tensor/context.h"
#include "tensor/graph.h"

namespace memlong::bench_tool {

/// Calls are timed until what they queue is done. On a GPU they are recorded, so that it is the
/// kernels that are timed and not the host that starts them; work that cannot be recorded is called
/// as it is. Not thread-safe.
class Calls {
 public:
  /// `work` queues on the context; all that it uses stays in place. The context must outlive it.
  Calls(Context& context, std::function<void()> work);

  /// Of one call, over as many as take `least` seconds.
  double seconds(double least);
  /// Of one call that is not followed by another before it is done.
  double seconds_alone();
  [[nodiscard]] bool recorded() const { return !graph_.empty(); }

 private:
  void prepare();
  void call();

  Context& context_;
  std::function<void()> work_;
  Graph graph_;
  uint64_t scratch_ = 0;  ///< Context::scratch_changes() of what was recorded
  bool records_;
};

}  // namespace memlong::bench_tool
