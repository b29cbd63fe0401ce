// What an op needs besides its operands: device, threads, scratch memory, library handles.
//
// One Context belongs to one thread of execution at a time; it is not thread-safe. There are no
// globals: two contexts never share anything. On a GPU a context is a queue of work (a stream):
// ops return when their work is queued, and run in the order in which they were called.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <typeindex>
#include <unordered_map>

#include "tensor/device.h"
#include "tensor/tensor.h"

namespace memlong {

struct ContextOptions {
  Device device = Device::cpu;
  int threads = 0;       ///< 0: as many as the process may use
  int device_index = 0;  ///< which of several CUDA devices
  /// Most bytes that tensors of this process may take on that device; 0: what was said before, else
  /// no limit. Beyond it an allocation is Error{capacity}.
  size_t max_device_bytes = 0;
  bool record = true;   ///< false: work is never recorded (tensor/graph.h), each kernel is started
  bool overlap = true;  ///< false: no kernel starts before the one before it is done
};

class Context {
 public:
  /// Error{device} where there is no such device.
  explicit Context(const ContextOptions& options = {});
  Context(Context&&) = default;
  Context& operator=(Context&&) = default;
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;
  ~Context() = default;

  [[nodiscard]] Device device() const { return device_; }
  [[nodiscard]] int threads() const { return threads_; }
  [[nodiscard]] int device_index() const { return device_index_; }
  /// Whether what is done again and again may be recorded as a Graph: on a GPU, unless switched
  /// off.
  [[nodiscard]] bool records() const { return records_; }
  /// Whether a kernel may start, and wait within, while the one before it runs: on a GPU that can
  /// (compute capability 9.0), unless switched off.
  [[nodiscard]] bool overlaps() const { return overlaps_; }

  /// Makes its device the calling thread's. The constructor and every op do so; a thread that
  /// allocates device tensors before its first op calls it itself. Nothing on the CPU.
  void activate() const;
  /// Waits until all that was queued is done. Error{device} when something in it failed.
  void synchronize() const;
  /// The queue: a cudaStream_t (tensor/cuda/runtime.h), null on the CPU.
  [[nodiscard]] void* stream() const { return stream_.get(); }

  /// State that a part keeps with the context (library handles, cached primitives): made on first
  /// use by T's default constructor, destroyed with the context.
  template <class T>
  T& extension() {
    std::shared_ptr<void>& slot = extensions_[std::type_index(typeid(T))];
    if (slot == nullptr) slot = std::make_shared<T>();
    return *static_cast<T*>(slot.get());
  }

  /// A scratch tensor that is reused by the next call with the same name (contents are then
  /// lost). Grows, never shrinks.
  TensorView scratch(const std::string& name, const Shape& shape, DType dtype);
  /// How often scratch memory was allocated. What holds its addresses for longer than a call (a
  /// Graph) is good as long as this stays the same.
  [[nodiscard]] uint64_t scratch_changes() const { return scratch_changes_; }

 private:
  friend class Graph;

  Device device_ = Device::cpu;
  int threads_ = 1;
  int device_index_ = 0;
  bool records_ = false;
  bool overlaps_ = false;
  uint64_t scratch_changes_ = 0;
  std::shared_ptr<void> stream_;  // outlives what is below
  std::unordered_map<std::type_index, std::shared_ptr<void>> extensions_;
  std::unordered_map<std::string, Tensor> scratch_;
};

}  // namespace memlong
