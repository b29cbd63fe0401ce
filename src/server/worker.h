// One thread that does tasks one after the other, and by turns what they leave behind.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

namespace memlong::server {

/// True: what it belongs to is to leave off.
using Stop = std::shared_ptr<const std::atomic<bool>>;

/// Thread-safe. Whoever owns it closes it before what the tasks use goes.
class Worker {
 public:
  struct Task {
    /// What it throws ends the process: it must catch. `stop` may be kept for what it leaves
    /// behind.
    std::function<void(const Stop& stop)> run;
    bool lasts = false;  ///< it leaves work behind
    std::atomic<bool> stop{false};
  };

  /// The work that tasks leave behind; called on the worker's thread.
  struct Rest {
    std::function<bool()> room;  ///< whether another such task may begin
    std::function<bool()> step;  ///< does a part of it; whether there is more
  };

  /// `longest`: so many tasks may wait. `at_end` runs on the thread, behind all work.
  explicit Worker(size_t longest, std::function<void()> at_end = {}, Rest rest = {});
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;
  ~Worker();

  /// False: as many as may wait do, or the worker is closed.
  bool add(std::shared_ptr<Task> task);
  /// A task that waits will not run, and makes room for another; one that has begun sees its stop.
  void cancel(const std::shared_ptr<Task>& task);
  /// Whether it takes no more: tasks that still waited run now, to say so.
  [[nodiscard]] bool closing() const { return closing_; }
  /// Takes no more and stops what has begun; close() returns when nothing is left to do.
  void begin_close();
  void close();
  /// Tasks that have not begun.
  [[nodiscard]] size_t waiting() const;

 private:
  void work();
  std::shared_ptr<Task> take_next();

  const size_t longest_;
  const std::function<void()> at_end_;
  const Rest rest_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::shared_ptr<Task>> waiting_;
  std::vector<std::weak_ptr<Task>> begun_;  ///< and perhaps not ended
  std::atomic<bool> closing_{false};
  std::thread thread_;
};

}  // namespace memlong::server
