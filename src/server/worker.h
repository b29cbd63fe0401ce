// One thread that does tasks one after the other.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>

namespace memlong::server {

/// Thread-safe. Whoever owns it closes it before what the tasks use goes.
class Worker {
 public:
  /// What run() throws ends the process: it must catch.
  struct Task {
    std::function<void()> run;
  };

  /// `longest`: so many tasks may wait. `at_end` runs on the thread, behind the last task.
  explicit Worker(size_t longest, std::function<void()> at_end = {});
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;
  ~Worker();

  /// False: as many as may wait do, or the worker is closed.
  bool add(std::shared_ptr<Task> task);
  /// A task that waits will not run, and makes room for another; one that runs sees stop().
  void cancel(const std::shared_ptr<Task>& task);
  /// True while the running task is to leave off. The same object for life.
  [[nodiscard]] const std::atomic<bool>& stop() const { return stop_; }
  /// Whether it takes no more: tasks that still waited run now, to say so.
  [[nodiscard]] bool closing() const { return closing_; }
  /// Takes no more and stops the running task; close() returns when none is left.
  void begin_close();
  void close();
  /// Tasks that wait or run.
  [[nodiscard]] size_t busy() const;

 private:
  void work();

  const size_t longest_;
  const std::function<void()> at_end_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::shared_ptr<Task>> waiting_;
  std::shared_ptr<Task> running_;
  std::atomic<bool> stop_{false};
  std::atomic<bool> closing_{false};
  std::thread thread_;
};

}  // namespace memlong::server
