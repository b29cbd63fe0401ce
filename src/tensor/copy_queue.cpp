#include "tensor/copy_queue.h"

#include <cstring>

#include "common/error.h"
#include "tensor/cuda/backend.h"

namespace memlong {
namespace {

std::shared_ptr<void> host_memory(size_t bytes) {
  const auto owner = std::make_shared<Tensor>(Shape{static_cast<int64_t>(bytes)}, DType::u8);
  return {owner, owner->view().raw()};
}

}  // namespace

void CopyMark::wait() const {
  if constexpr (kHasCuda) {
    if (event_ != nullptr) cuda::synchronize_event(event_.get());
  }
}

CopyQueue::CopyQueue(Context& context) : context_(context) {
  if constexpr (kHasCuda) {
    if (context.device() == Device::cuda) stream_ = cuda::make_copy_stream(context.device_index());
  }
}

std::shared_ptr<void> CopyQueue::allocate(size_t bytes) {
  if constexpr (kHasCuda) {
    if (stream_ != nullptr) {
      context_.activate();
      return cuda::allocate(bytes, "keys and values on their way to the GPU", stream_.get());
    }
  }
  return host_memory(bytes);
}

void CopyQueue::copy(const TensorView& from, const TensorView& to) {
  MEMLONG_CHECK(
      from.contiguous() && to.contiguous() && from.shape() == to.shape() &&
          from.dtype() == to.dtype(),
      "a copy queue moves bytes: " + from.shape().to_string() + " to " + to.shape().to_string());
  if (from.empty()) return;
  if constexpr (kHasCuda) {
    if (stream_ != nullptr) {
      context_.activate();
      return cuda::copy_async(to.raw(), from.raw(), from.bytes(), stream_.get());
    }
  }
  std::memcpy(to.raw(), from.raw(), from.bytes());
}

void CopyQueue::follow() {
  if constexpr (kHasCuda) {
    if (stream_ == nullptr) return;
    context_.activate();
    cuda::wait_for_event(stream_.get(), cuda::record_event(context_.stream()).get());
  }
}

void CopyQueue::lead() {
  if constexpr (kHasCuda) {
    if (stream_ == nullptr) return;
    context_.activate();
    cuda::wait_for_event(context_.stream(), cuda::record_event(stream_.get()).get());
  }
}

CopyMark CopyQueue::mark() {
  CopyMark mark;
  if constexpr (kHasCuda) {
    if (stream_ == nullptr) return mark;
    context_.activate();
    mark.event_ = cuda::record_event(stream_.get());
  }
  return mark;
}

TensorView HostBuffer::room(const Context& context, const Shape& shape, DType dtype) {
  const size_t bytes = static_cast<size_t>(shape.elements()) * dtype_size(dtype);
  if (bytes > bytes_ || memory_ == nullptr) {
    memory_.reset();
    bytes_ = 0;
    if (context.device() == Device::cpu) {
      memory_ = host_memory(bytes);
    } else {
      if constexpr (kHasCuda) {
        context.activate();
        memory_ = cuda::allocate_pinned(bytes);
      }
    }
    bytes_ = bytes;
  }
  return {memory_.get(), dtype, shape, Device::cpu};
}

}  // namespace memlong
