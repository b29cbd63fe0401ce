// One block of threads: who runs next, barriers, warp operations, shared memory.
#include "support/cuda_emulation/block.h"

#include <algorithm>
#include <cstring>
#include <random>
#include <stdexcept>

#include "support/cuda_emulation/include/cuda_device.h"
#include "support/cuda_emulation/large_run.h"

namespace cuda_emulation {
namespace {

std::string place(const std::source_location& at) {
  const std::string file = at.file_name();
  return file.substr(file.rfind('/') + 1) + ":" + std::to_string(at.line());
}

}  // namespace

Block& Block::instance() {
  static Block block;
  return block;
}

void Block::run(const Extent& extent, size_t shared_bytes, bool early,
                const std::function<void()>& thread) {
  extent_ = extent;
  threads_.assign(size_t{extent.x} * extent.y * extent.z, {});
  warps_.assign((threads_.size() + 31) / 32, {});
  shared_.clear();
  shared_bytes_ = 0;
  dynamic_bytes_ = shared_bytes;
  dynamic_ = std::make_unique<SharedArray>(shared_bytes);
  dynamic_->fill();
  waiting_ = 0;
  early_ = early;
  error_ = nullptr;
  fibers_.start(threads_.size(), [&](size_t index) {
    try {
      thread();
    } catch (...) {
      error_ = std::current_exception();
    }
    threads_[index].state = State::done;
  });
  schedule();
  const auto waits_once = [](const Thread& each) { return each.waits == 1; };
  if (early && !std::ranges::all_of(threads_, waits_once)) {
    throw std::runtime_error("CUDA emulation: block " + text_of(blockIdx) +
                             ": it started early, and not each of its threads waits once for "
                             "earlier kernels");
  }
  dynamic_->check();
  for (auto& [type, array] : shared_) array->check();
}

void Block::check_waited() const {
  if (early_ && threads_[current_].waits == 0) {
    report("memory is touched by a thread that started early and has not waited");
  }
}

bool Block::can_run(const Thread& thread) const {
  switch (thread.state) {
    case State::ready:
      return true;
    case State::barrier:
      return thread.epoch != epoch_;
    case State::warp:
      return thread.epoch != warps_[index_of(thread) / 32].epoch;
    case State::done:
      return false;
  }
  return false;
}

void Block::go_on(size_t index) {
  current_ = index;
  threadIdx.x = static_cast<unsigned>(index % extent_.x);
  threadIdx.y = static_cast<unsigned>(index / extent_.x % extent_.y);
  threadIdx.z = static_cast<unsigned>(index / extent_.x / extent_.y);
  fibers_.resume(index);
  if (error_) std::rethrow_exception(error_);
}

/// Each warp as far as it gets before the next: what lacks a barrier then sees memory that nobody
/// has written yet, in one order of the warps or in the other.
void Block::schedule() {
  const bool reverse = order_.reverse_threads;
  const size_t count = threads_.size();
  for (bool progress = true; progress;) {
    progress = false;
    for (size_t w = 0; w < warps_.size(); ++w) {
      const size_t begin = (reverse ? warps_.size() - 1 - w : w) * 32;
      const size_t lanes = std::min<size_t>(32, count - begin);
      for (bool again = true; again;) {
        again = false;
        for (size_t i = 0; i < lanes; ++i) {
          const size_t index = begin + (reverse ? lanes - 1 - i : i);
          if (!can_run(threads_[index])) continue;
          go_on(index);
          again = progress = true;
        }
      }
    }
  }
  const auto stuck =
      std::ranges::find_if(threads_, [](const Thread& t) { return t.state != State::done; });
  if (stuck == threads_.end()) return;
  throw std::runtime_error("CUDA emulation: block " + text_of(blockIdx) + ": thread " +
                           std::to_string(index_of(*stuck)) + " waits for ever at " +
                           place(stuck->at) + ", where not all come");
}

void Block::wait(State state, uint64_t epoch, const std::source_location& at) {
  Thread& thread = threads_[current_];
  thread.state = state;
  thread.epoch = epoch;
  thread.at = at;
  fibers_.suspend();  // until it can run
  thread.state = State::ready;
}

bool Block::barrier(bool vote, const std::source_location& at) {
  if (waiting_ == 0) {
    barrier_at_ = at;
    vote_ = false;
  } else if (barrier_at_.line() != at.line()) {
    report("at the barrier in " + place(at) + ", others at " + place(barrier_at_));
  }
  vote_ = vote_ || vote;
  const uint64_t before = epoch_;
  if (++waiting_ == threads_.size()) {
    waiting_ = 0;
    result_ = vote_;
    ++epoch_;
  } else {
    wait(State::barrier, before, at);
  }
  return result_;
}

const std::byte* Block::exchange(const void* value, size_t size, uint32_t mask,
                                 const std::source_location& at) {
  if (mask != 0xFFFFFFFFU || threads_.size() % 32 != 0) {
    report("a warp operation in " + place(at) + " of less than a whole warp");
  }
  Warp& warp = warps_[current_ / 32];
  if (warp.arrived == 0) {
    warp.at = at;
  } else if (warp.at.line() != at.line()) {
    report("in the warp operation of " + place(at) + ", other lanes at " + place(warp.at));
  }
  std::byte* slots = warp.slots[warp.epoch % 2];
  std::memcpy(slots + current_ % 32 * kSlotBytes, value, size);
  const uint64_t before = warp.epoch;
  if (++warp.arrived == 32) {
    warp.arrived = 0;
    ++warp.epoch;
  } else {
    wait(State::warp, before, at);
  }
  return slots;
}

std::byte* Block::shared(const std::type_info& type, size_t bytes) {
  std::unique_ptr<SharedArray>& array = shared_[std::type_index(type)];
  if (array == nullptr) {
    shared_bytes_ += bytes;
    if (shared_bytes_ > kStaticSharedBytes) report("more than 48 KiB of static shared memory");
    if (shared_bytes_ + dynamic_bytes_ > kBlockSharedBytes) {
      report("more than 99 KiB of shared memory, static and dynamic");
    }
    array = std::make_unique<SharedArray>(bytes);
    array->fill();
  }
  return array->data();
}

void Block::copy_async(const AsyncCopy& copy) {
  std::memset(copy.to, 0xFF, copy.bytes);
  threads_[current_].open.push_back(copy);
}

void Block::copy_async_commit() {
  Thread& thread = threads_[current_];
  thread.groups.push_back(std::move(thread.open));
  thread.open.clear();
}

void Block::copy_async_wait(size_t groups_left) {
  std::vector<std::vector<AsyncCopy>>& groups = threads_[current_].groups;
  if (groups.size() <= groups_left) return;
  const auto end = groups.end() - static_cast<std::ptrdiff_t>(groups_left);
  for (auto group = groups.begin(); group != end; ++group) {
    for (const AsyncCopy& copy : *group) {
      std::memset(copy.to, 0, copy.bytes);
      std::memcpy(copy.to, copy.from, copy.valid_bytes);
    }
  }
  groups.erase(groups.begin(), end);
}

void set_order(const Order& order) { Block::instance().set_order(order); }
bool barrier(bool vote, const std::source_location& at) {
  return Block::instance().barrier(vote, at);
}
const std::byte* exchange(const void* value, size_t size, uint32_t mask,
                          const std::source_location& at) {
  return Block::instance().exchange(value, size, mask, at);
}
void count_wait() { Block::instance().count_wait(); }
void check_waited() { Block::instance().check_waited(); }
std::byte* dynamic_shared() { return Block::instance().dynamic(); }
std::byte* block_shared(const std::type_info& type, size_t bytes) {
  return Block::instance().shared(type, bytes);
}
void copy_async(void* to, const void* from, size_t bytes, size_t valid_bytes) {
  Block::instance().copy_async({to, from, bytes, valid_bytes});
}
void copy_async_commit() { Block::instance().copy_async_commit(); }
void copy_async_wait(size_t groups_left) { Block::instance().copy_async_wait(groups_left); }

void run_grid(const Extent& grid, const Extent& block, size_t shared_bytes, bool early,
              const std::function<void()>& thread) {
  const DeviceAccess access;
  LargeRun* large = LargeRun::current();
  std::vector<size_t> order;
  Block& runner = Block::instance();
  if (large != nullptr) {
    large->note({grid, block, shared_bytes});
    order = large->chosen(size_t{grid.x} * grid.y * grid.z);
  } else {
    order.resize(size_t{grid.x} * grid.y * grid.z);
    for (size_t i = 0; i < order.size(); ++i) order[i] = i;
    if (const uint32_t seed = runner.order().block_seed; seed != 0) {
      std::ranges::shuffle(order, std::mt19937(seed));
    }
  }
  for (const size_t i : order) {
    blockIdx.x = static_cast<unsigned>(i % grid.x);
    blockIdx.y = static_cast<unsigned>(i / grid.x % grid.y);
    blockIdx.z = static_cast<unsigned>(i / grid.x / grid.y);
    runner.run(block, shared_bytes, early, thread);
  }
  if (large == nullptr) check_margins();
}

}  // namespace cuda_emulation
