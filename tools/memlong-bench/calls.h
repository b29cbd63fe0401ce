// Timing of an operator that is called again and again.
#pragma once

#include <cstdint>
#include <functional>

#include "tensor/context.h"
#include "tensor/graph.h"

namespace memlong::bench_tool {

/// Calls are timed until what they queue is done. On a GPU they are recorded, many short ones
/// together, so that it is the kernels that are timed and not the host that starts them; work that
/// cannot be recorded is called as it is. Not thread-safe.
class Calls {
 public:
  /// `work` queues on the context; all that it uses stays in place. The context must outlive it.
  /// `together`: so many are recorded as one; 0: as many as make launching them cheap.
  Calls(Context& context, std::function<void()> work, int64_t together = 0);

  /// Of one call, over as many as take `least` seconds.
  double seconds(double least);
  [[nodiscard]] bool recorded() const { return !graph_.empty(); }
  /// So many calls are timed as one.
  [[nodiscard]] int64_t together() const { return together_; }

 private:
  void record(int64_t calls);
  void prepare();
  void call();
  double timed(int64_t count);

  Context& context_;
  std::function<void()> work_;
  Graph graph_;
  int64_t together_ = 1;  ///< calls in graph_
  uint64_t scratch_ = 0;  ///< Context::scratch_changes() of what was recorded
  bool records_;
};

}  // namespace memlong::bench_tool
