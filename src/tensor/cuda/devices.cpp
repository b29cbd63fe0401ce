#include "tensor/devices.h"

#include "tensor/cuda/backend.h"
#include "tensor/cuda/runtime.h"

namespace memlong::cuda {
namespace {

std::string version_text(int version) {
  return std::to_string(version / 1000) + "." + std::to_string(version % 1000 / 10);
}

std::string why_none(cudaError_t status) {
  int driver = 0;
  cudaDriverGetVersion(&driver);
  if (driver == 0) return "no NVIDIA driver is installed";
  if (status == cudaErrorInsufficientDriver) {
    return "the NVIDIA driver knows CUDA up to " + version_text(driver) + ", this build needs " +
           version_text(CUDART_VERSION) + ": install a newer driver";
  }
  return std::string("no CUDA device: ") + cudaGetErrorString(status);
}

/// What a device does not say stays 0. It is not made the thread's: that would make a context
/// there.
CudaDevice describe(int index) {
  CudaDevice device;
  device.index = index;
  cudaDeviceProp properties{};
  if (cudaGetDeviceProperties(&properties, index) == cudaSuccess) {
    device.name = properties.name;
    device.capability = properties.major * 10 + properties.minor;
    device.multiprocessors = properties.multiProcessorCount;
    device.block_shared_bytes = properties.sharedMemPerBlockOptin;
    device.total_bytes = properties.totalGlobalMem;
  }
  cudaGetLastError();
  return device;
}

}  // namespace

int count_devices(std::string& why) {
  int count = 0;
  cudaError_t status = cudaGetDeviceCount(&count);
  if (status == cudaSuccess && count > 0) return count;
  if (status == cudaSuccess) status = cudaErrorNoDevice;
  cudaGetLastError();
  why = why_none(status);
  return 0;
}

CudaDevices list_devices() {
  CudaDevices found;
  const int count = count_devices(found.why_none);
  if (count == 0) {
    int driver = 0;
    cudaDriverGetVersion(&driver);
    found.no_driver = driver == 0;
    return found;
  }
  for (int index = 0; index < count; ++index) found.devices.push_back(describe(index));
  return found;
}

size_t free_bytes(int device_index) {
  size_t free = 0;
  size_t total = 0;
  int before = 0;
  cudaGetDevice(&before);
  if (cudaSetDevice(device_index) == cudaSuccess) cudaMemGetInfo(&free, &total);
  cudaSetDevice(before);
  cudaGetLastError();  // one in exclusive use by another process
  return free;
}

}  // namespace memlong::cuda
