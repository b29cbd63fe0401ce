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

void release_unused_memory([[maybe_unused]] int device_index) {
  if constexpr (kHasCuda) cuda::release_unused(device_index);
}

}  // namespace memlong
