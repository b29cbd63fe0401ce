// One block of threads on the processor; emulation.h says how they run.
#pragma once

#include <exception>
#include <memory>
#include <typeindex>
#include <unordered_map>
#include <vector>

#include "support/cuda_emulation/emulation.h"
#include "support/cuda_emulation/fibers.h"
#include "support/cuda_emulation/shared_array.h"

namespace cuda_emulation {

struct AsyncCopy {
  void* to;
  const void* from;
  size_t bytes;
  size_t valid_bytes;
};

class Block {
 public:
  static Block& instance();
  void set_order(const Order& order) { order_ = order; }
  [[nodiscard]] const Order& order() const { return order_; }

  /// Runs thread() once for each thread, with threadIdx set. `early`: as in run_grid.
  void run(const Extent& extent, size_t shared_bytes, bool early,
           const std::function<void()>& thread);

  bool barrier(bool vote, const std::source_location& at);
  const std::byte* exchange(const void* value, size_t size, uint32_t mask,
                            const std::source_location& at);
  std::byte* dynamic() { return dynamic_->data(); }
  std::byte* shared(const std::type_info& type, size_t bytes);
  void copy_async(const AsyncCopy& copy);
  void copy_async_commit();
  void copy_async_wait(size_t groups_left);
  void count_wait() { ++threads_[current_].waits; }
  /// A thread that has not waited yet reads or writes memory.
  void check_waited() const;

 private:
  enum class State : uint8_t { ready, barrier, warp, done };
  struct Thread {
    State state = State::ready;
    uint64_t epoch = 0;  ///< of the barrier or the warp when it began to wait
    std::source_location at;
    int waits = 0;  ///< for earlier kernels
    std::vector<AsyncCopy> open;
    std::vector<std::vector<AsyncCopy>> groups;
  };
  struct Warp {
    uint64_t epoch = 0;
    int arrived = 0;
    std::source_location at;
    // Two, so that a lane may begin the next operation while others still read this one's.
    alignas(16) std::byte slots[2][32 * kSlotBytes];
  };

  [[nodiscard]] size_t index_of(const Thread& thread) const {
    return static_cast<size_t>(&thread - threads_.data());
  }
  [[nodiscard]] bool can_run(const Thread& thread) const;
  void go_on(size_t index);
  void schedule();
  void wait(State state, uint64_t epoch, const std::source_location& at);

  Fibers fibers_;
  Order order_;
  Extent extent_;
  size_t current_ = 0;
  std::vector<Thread> threads_;
  std::vector<Warp> warps_;
  std::unique_ptr<SharedArray> dynamic_;
  std::unordered_map<std::type_index, std::unique_ptr<SharedArray>> shared_;
  size_t shared_bytes_ = 0;  ///< of shared_
  size_t dynamic_bytes_ = 0;
  std::exception_ptr error_;
  size_t waiting_ = 0;
  bool early_ = false;
  uint64_t epoch_ = 0;
  std::source_location barrier_at_;
  bool vote_ = false;
  bool result_ = false;
};

}  // namespace cuda_emulation
