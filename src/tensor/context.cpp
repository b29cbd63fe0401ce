#include "tensor/context.h"

#include <sched.h>

#include "common/error.h"
#include "tensor/cuda/backend.h"

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
  if (device_ == Device::cpu) return;
  if constexpr (kHasCuda) {
    device_index_ = options.device_index;
    records_ = options.record;
    stream_ = cuda::make_stream(device_index_);
    overlaps_ = options.overlap && cuda::kernels_overlap(device_index_);
    if (options.max_device_bytes > 0) cuda::limit_memory(device_index_, options.max_device_bytes);
  } else {
    fail(ErrorKind::device, "this build has no CUDA; use --device cpu");
  }
}

void Context::activate() const {
  if constexpr (kHasCuda) {
    if (device_ == Device::cuda) cuda::activate(device_index_);
  }
}

void Context::synchronize() const {
  if constexpr (kHasCuda) {
    if (device_ == Device::cuda) cuda::synchronize(stream_.get(), device_index_);
  }
}

TensorView Context::scratch(const std::string& name, const Shape& shape, DType dtype) {
  const auto bytes = shape.elements() * static_cast<int64_t>(dtype_size(dtype));
  Tensor& tensor = scratch_[name];
  if (static_cast<int64_t>(tensor.bytes()) < bytes || tensor.empty()) {
    activate();
    tensor = Tensor({bytes}, DType::u8, device_);
    ++scratch_changes_;
  }
  return {tensor.view().raw(), dtype, shape, device_};
}

}  // namespace memlong
