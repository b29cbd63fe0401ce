#include "server/worker.h"

#include <algorithm>
#include <utility>

namespace memlong::server {

Worker::Worker(size_t longest, std::function<void()> at_end, Rest rest)
    : longest_(longest), at_end_(std::move(at_end)), rest_(std::move(rest)), thread_([this] {
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
  std::function<void(const Stop&)> unused;  // what it holds goes outside the lock
  const std::scoped_lock lock(mutex_);
  task->stop = true;
  if (std::erase(waiting_, task) > 0) unused = std::move(task->run);
}

void Worker::begin_close() {
  {
    const std::scoped_lock lock(mutex_);
    closing_ = true;
    for (const auto& task : waiting_) task->stop = true;
    for (const auto& begun : begun_) {
      if (const auto task = begun.lock()) task->stop = true;
    }
  }
  changed_.notify_one();
}

void Worker::close() {
  begin_close();
  if (thread_.joinable()) thread_.join();
}

size_t Worker::waiting() const {
  const std::scoped_lock lock(mutex_);
  return waiting_.size();
}

/// The oldest that may begin; null: none. Under the lock.
std::shared_ptr<Worker::Task> Worker::take_next() {
  const auto found = std::ranges::find_if(
      waiting_, [&](const auto& task) { return !task->lasts || closing_ || rest_.room(); });
  if (found == waiting_.end()) return nullptr;
  std::shared_ptr<Task> task = std::move(*found);
  waiting_.erase(found);
  std::erase_if(begun_, [](const auto& begun) { return begun.expired(); });
  begun_.push_back(task);
  return task;
}

void Worker::work() {
  bool more = false;
  for (;;) {
    std::shared_ptr<Task> task;
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [&] { return more || closing_ || !waiting_.empty(); });
      task = take_next();
      if (task == nullptr && !more && waiting_.empty()) return;
    }
    if (task != nullptr) {
      task->run(Stop(task, &task->stop));
      task->run = nullptr;
    }
    more = rest_.step && rest_.step();
  }
}

}  // namespace memlong::server
