#include "tensor/context.h"

#include <sched.h>

#include "common/error.h"

namespace memlong {
namespace {

int usable_processors() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (::sched_getaffinity(0, sizeof(set), &set) != 0) return 1;
  return CPU_COUNT(&set);
}

}  // namespace

Context::Context(const ContextOptions& options)
    : device_(options.device),
      threads_(options.threads > 0 ? options.threads : usable_processors()) {
  if (device_ == Device::cuda && !kHasCuda) {
    fail(ErrorKind::device, "this build has no CUDA; use --device cpu");
  }
}

TensorView Context::scratch(const std::string& name, const Shape& shape, DType dtype) {
  const auto bytes = shape.elements() * static_cast<int64_t>(dtype_size(dtype));
  Tensor& tensor = scratch_[name];
  if (static_cast<int64_t>(tensor.bytes()) < bytes || tensor.empty()) {
    tensor = Tensor({bytes}, DType::u8, device_);
  }
  return {tensor.view().raw(), dtype, shape, device_};
}

}  // namespace memlong
