// Lets many readers pass while the memory map stays where it is, and nobody while it moves.
#pragma once

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

namespace memlong::membank {

/// A thread that is inside may enter again: then close() waits until it has left as often. Other
/// threads wait as soon as close() was called, so that readers without end keep nobody from
/// closing. Who is inside must not wait for another thread that wants to enter. Thread-safe.
class Gate {
 public:
  void enter() {
    std::unique_lock lock(mutex_);
    auto place = own_place();
    if (place == inside_.end()) {
      changed_.wait(lock, [&] { return !closed_ && closing_ == 0; });
      place = inside_.insert(inside_.end(), {std::this_thread::get_id(), 0});
    }
    ++place->second;
  }
  void leave() {
    const std::scoped_lock lock(mutex_);
    const auto place = own_place();
    if (--place->second > 0) return;
    inside_.erase(place);
    if (closing_ > 0) changed_.notify_all();
  }
  void close() {
    std::unique_lock lock(mutex_);
    ++closing_;
    changed_.wait(lock, [&] { return !closed_ && inside_.empty(); });
    --closing_;
    closed_ = true;
  }
  void open() {
    const std::scoped_lock lock(mutex_);
    closed_ = false;
    changed_.notify_all();
  }

 private:
  using Place = std::pair<std::thread::id, int>;  // how often the thread is inside

  std::vector<Place>::iterator own_place() {
    return std::find_if(inside_.begin(), inside_.end(), [](const Place& place) {
      return place.first == std::this_thread::get_id();
    });
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Place> inside_;
  int closing_ = 0;  ///< threads that wait in close()
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
