// A queue between two stages of a pipeline that holds only so much.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <mutex>
#include <optional>
#include <utility>

namespace memlong::engine {

/// Thread-safe. An item has a weight (bytes); a producer waits while the queue is full, but an
/// empty queue takes an item of any weight, so nothing can wait for ever on its own size.
template <class T>
class BoundedQueue {
 public:
  using Clock = std::chrono::steady_clock;
  explicit BoundedQueue(size_t capacity) : capacity_(capacity) {}

  /// False when nobody will take it: the queue was closed or cancelled.
  [[nodiscard]] bool push(T&& item, size_t weight) {
    std::unique_lock lock(mutex_);
    room_.wait(lock, [&] { return closed_ || items_.empty() || used_ + weight <= capacity_; });
    if (closed_) return false;
    used_ += weight;
    items_.emplace_back(std::move(item), weight);
    filled_.notify_one();
    return true;
  }

  /// Nothing when the queue is closed and empty.
  std::optional<T> pop() {
    std::unique_lock lock(mutex_);
    filled_.wait(lock, [&] { return closed_ || !items_.empty(); });
    return take();
  }

  /// Nothing when the queue is closed and empty, or when `deadline` passed: then `late` is true.
  std::optional<T> pop_until(Clock::time_point deadline, bool& late) {
    std::unique_lock lock(mutex_);
    late = !filled_.wait_until(lock, deadline, [&] { return closed_ || !items_.empty(); });
    return take();
  }

  /// The producer's end: what is in it can still be taken.
  void close() {
    const std::scoped_lock lock(mutex_);
    closed_ = true;
    filled_.notify_all();
    room_.notify_all();
  }

  /// Throws away what is in it, too.
  void cancel() {
    std::deque<std::pair<T, size_t>> dropped;
    {
      const std::scoped_lock lock(mutex_);
      dropped.swap(items_);
      used_ = 0;
      closed_ = true;
    }
    filled_.notify_all();
    room_.notify_all();
  }

 private:
  std::optional<T> take() {  // mutex_ is held
    if (items_.empty()) return std::nullopt;
    std::pair<T, size_t> front = std::move(items_.front());
    items_.pop_front();
    used_ -= front.second;
    room_.notify_one();
    return std::move(front.first);
  }

  const size_t capacity_;
  std::mutex mutex_;
  std::condition_variable room_;
  std::condition_variable filled_;
  std::deque<std::pair<T, size_t>> items_;
  size_t used_ = 0;
  bool closed_ = false;
};

}  // namespace memlong::engine
