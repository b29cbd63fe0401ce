#include "tensor/devices.h"

#include "tensor/cuda/backend.h"
#include "tensor/device.h"

namespace memlong {

CudaDevices cuda_devices() {
  if constexpr (kHasCuda) {
    return cuda::list_devices();
  } else {
    return {.devices = {}, .why_none = "this build has no CUDA"};
  }
}

size_t free_device_bytes([[maybe_unused]] int device_index) {
  size_t bytes = 0;
  if constexpr (kHasCuda) bytes = cuda::free_bytes(device_index);
  return bytes;
}

void release_unused_memory([[maybe_unused]] int device_index) {
  if constexpr (kHasCuda) cuda::release_unused(device_index);
}

}  // namespace memlong
