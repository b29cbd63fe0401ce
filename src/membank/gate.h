// Lets many readers pass while the memory map stays where it is, and nobody while it moves.
#pragma once

#include <condition_variable>
#include <mutex>

namespace memlong::membank {

/// Readers may nest: the gate closes only when nobody is inside, and a waiting close() keeps no
/// reader out. Thread-safe.
class Gate {
 public:
  void enter() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return !closed_; });
    ++inside_;
  }
  void leave() {
    const std::scoped_lock lock(mutex_);
    --inside_;
    changed_.notify_all();
  }
  void close() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return !closed_ && inside_ == 0; });
    closed_ = true;
  }
  void open() {
    const std::scoped_lock lock(mutex_);
    closed_ = false;
    changed_.notify_all();
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  int inside_ = 0;
  bool closed_ = false;
};

/// Inside the gate, as a scope.
class GatePass {
 public:
  explicit GatePass(Gate& gate) : gate_(gate) { gate_.enter(); }
  GatePass(const GatePass&) = delete;
  GatePass& operator=(const GatePass&) = delete;
  ~GatePass() { gate_.leave(); }

 private:
  Gate& gate_;
};

/// The gate closed, as a scope.
class GateClosed {
 public:
  explicit GateClosed(Gate& gate) : gate_(gate) { gate_.close(); }
  GateClosed(const GateClosed&) = delete;
  GateClosed& operator=(const GateClosed&) = delete;
  ~GateClosed() { gate_.open(); }

 private:
  Gate& gate_;
};

}  // namespace memlong::membank
