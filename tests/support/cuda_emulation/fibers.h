// Functions that can stop in the middle and be gone on with later, each on a stack of its own.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <vector>

namespace cuda_emulation {

struct Fiber;

class Fibers {
 public:
  Fibers();
  ~Fibers();
  Fibers(const Fibers&) = delete;
  Fibers& operator=(const Fibers&) = delete;

  static constexpr size_t kMost = 1024;
  /// Forgets where the first `count` fibers stand; each starts body(index) when it is resumed.
  void start(size_t count, std::function<void(size_t)> body);
  /// Runs a fiber until it calls suspend() or body returns. Not from within a fiber.
  void resume(size_t index);
  /// Back to the caller of resume().
  void suspend();

 private:
  friend struct Fiber;
  char* stacks_ = nullptr;
  std::vector<std::unique_ptr<Fiber>> fibers_;
  std::function<void(size_t)> body_;
  Fiber* current_ = nullptr;
};

}  // namespace cuda_emulation
