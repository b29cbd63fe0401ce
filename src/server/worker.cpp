#include "server/worker.h"

#include <utility>

namespace memlong::server {

Worker::Worker(size_t longest, std::function<void()> at_end)
    : longest_(longest), at_end_(std::move(at_end)), thread_([this] {
        work();
        if (at_end_) at_end_();
      }) {}

Worker::~Worker() { close(); }

bool Worker::add(std::shared_ptr<Task> task) {
  {
    const std::scoped_lock lock(mutex_);
    if (closing_ || waiting_.size() >= longest_) return false;
    waiting_.push_back(std::move(task));
  }
  changed_.notify_one();
  return true;
}

void Worker::cancel(const std::shared_ptr<Task>& task) {
  std::function<void()> unused;  // what it holds goes outside the lock
  const std::scoped_lock lock(mutex_);
  if (running_ == task) {
    stop_ = true;
  } else if (std::erase(waiting_, task) > 0) {
    unused = std::move(task->run);
  }
}

void Worker::begin_close() {
  {
    const std::scoped_lock lock(mutex_);
    closing_ = true;
    stop_ = true;
  }
  changed_.notify_one();
}

void Worker::close() {
  begin_close();
  if (thread_.joinable()) thread_.join();
}

size_t Worker::busy() const {
  const std::scoped_lock lock(mutex_);
  return waiting_.size() + (running_ == nullptr ? 0 : 1);
}

void Worker::work() {
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [this] { return closing_ || !waiting_.empty(); });
    if (waiting_.empty()) return;
    running_ = std::move(waiting_.front());
    waiting_.pop_front();
    stop_ = closing_.load();
    lock.unlock();
    running_->run();
    lock.lock();
    const std::shared_ptr<Task> done = std::exchange(running_, nullptr);
    lock.unlock();
    done->run = nullptr;  // what it holds goes outside the lock
    lock.lock();
  }
}

}  // namespace memlong::server
