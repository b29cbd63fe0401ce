// Loops over independent items on the context's threads.
#pragma once

#include <cstdint>

#include "tensor/context.h"

namespace memlong::ops::cpu {

/// Below this many elementary operations a parallel region costs more than it saves.
inline constexpr int64_t kParallelWork = int64_t{1} << 16;

inline int threads_for(const Context& context, int64_t work) {
  return work < kParallelWork ? 1 : context.threads();
}

/// fn(i) for i in [0, count); `work` is the cost of one item in elementary operations. fn must
/// not throw. Items are shared out in order, so a result never depends on the thread count.
template <class Fn>
void parallel_for(const Context& context, int64_t count, int64_t work, const Fn& fn) {
  const int threads = count < 2 ? 1 : threads_for(context, count * work);
  if (threads == 1) {
    for (int64_t i = 0; i < count; ++i) fn(i);
    return;
  }
#pragma omp parallel for schedule(static) num_threads(threads)
  for (int64_t i = 0; i < count; ++i) fn(i);
}

}  // namespace memlong::ops::cpu
