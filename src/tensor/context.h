// What an op needs besides its operands: device, threads, scratch memory, library handles.
//
// One Context belongs to one thread of execution at a time; it is not thread-safe. There are no
// globals: two contexts never share anything.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <typeindex>
#include <unordered_map>

#include "tensor/device.h"
#include "tensor/tensor.h"

namespace memlong {

struct ContextOptions {
  Device device = Device::cpu;
  int threads = 0;  ///< 0: as many as the process may use
};

class Context {
 public:
  explicit Context(const ContextOptions& options = {});
  Context(Context&&) = default;
  Context& operator=(Context&&) = default;
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;
  ~Context() = default;

  [[nodiscard]] Device device() const { return device_; }
  [[nodiscard]] int threads() const { return threads_; }

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

 private:
  Device device_ = Device::cpu;
  int threads_ = 1;
  std::unordered_map<std::type_index, std::shared_ptr<void>> extensions_;
  std::unordered_map<std::string, Tensor> scratch_;
};

}  // namespace memlong
