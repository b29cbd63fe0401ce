// Loops over independent items on the context's threads.
#pragma once

#include <cstdint>

#include "tensor/context.h"

namespace memlong {

/// Work shorter than this stays on the calling thread: starting and joining threads costs a few
/// microseconds on idle processors, and far more on busy ones.
inline constexpr double kParallelNanoseconds = 10000.0;

/// The most threads of one loop. The thread sanitizer does not see how OpenMP's threads wait for
/// each other and would call every loop a race, so that in its builds loops stay on the calling
/// thread.
inline int loop_threads([[maybe_unused]] const Context& context) {
#if defined(__SANITIZE_THREAD__)
  return 1;
#else
  return context.threads();
#endif
}

/// How many threads work of about `nanoseconds` (on one thread) deserves.
inline int threads_for(const Context& context, double nanoseconds) {
  return nanoseconds < kParallelNanoseconds ? 1 : loop_threads(context);
}

/// fn(i) for i in [0, count); an item takes about `nanoseconds`. fn must not throw. Items are
/// independent, so a result never depends on the thread count.
template <class Fn>
void parallel_for(const Context& context, int64_t count, double nanoseconds, const Fn& fn) {
  const int threads =
      count < 2 ? 1 : threads_for(context, static_cast<double>(count) * nanoseconds);
  if (threads == 1) {
    for (int64_t i = 0; i < count; ++i) fn(i);
    return;
  }
#pragma omp parallel for schedule(static) num_threads(threads)
  for (int64_t i = 0; i < count; ++i) fn(i);
}

}  // namespace memlong
