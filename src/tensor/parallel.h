// Loops over independent items on the context's threads.
#pragma once

#include <atomic>
#include <cstdint>
#include <thread>

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

/// Calls produce(i) for i in [0, count) in order, all on one thread, and consume(i), which takes
/// about `nanoseconds`, on any thread once produce(i) is over. Neither may throw.
template <class Produce, class Consume>
void parallel_pipeline(const Context& context, int64_t count, double nanoseconds,
                       const Produce& produce, const Consume& consume) {
  const int threads =
      count < 2 ? 1 : threads_for(context, static_cast<double>(count) * nanoseconds);
  if (threads == 1) {
    for (int64_t i = 0; i < count; ++i) produce(i);
    for (int64_t i = 0; i < count; ++i) consume(i);
    return;
  }
  constexpr int kSpins = 10000;  // some ten microseconds
  std::atomic<int64_t> produced = 0;
  std::atomic<int64_t> taken = 0;
#pragma omp parallel num_threads(threads)
  {
#pragma omp master
    for (int64_t i = 0; i < count; ++i) {
      produce(i);
      produced.store(i + 1, std::memory_order_release);
    }
    for (int64_t i = taken++; i < count; i = taken++) {
      for (int spins = 0; produced.load(std::memory_order_acquire) <= i; ++spins) {
        if (spins > kSpins) std::this_thread::yield();
      }
      consume(i);
    }
  }
}

}  // namespace memlong
