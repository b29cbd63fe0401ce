// The emulated runtime: one device, on which everything is done at once.
#include <algorithm>
#include <cstdio>
#include <cstring>
#include <unordered_map>

#include "support/cuda_emulation/emulation.h"
#include "support/cuda_emulation/include/cuda_api.h"
#include "support/cuda_emulation/recording.h"
#include "support/cuda_emulation/streams.h"

namespace cuda_emulation {
namespace {

/// Kernels for which more than 48 KiB of shared memory were asked for, and how much.
std::unordered_map<const void*, size_t>& raised_limits() {
  static std::unordered_map<const void*, size_t> limits;
  return limits;
}

}  // namespace

size_t used_bytes() {
  size_t free = 0;
  size_t total = 0;
  memory_left(&free, &total);
  return total - free;
}

/// What was freed and the pool has not given back. None of it is given out again, as where it is in
/// pieces that are too small.
size_t& held_bytes() {
  static size_t bytes = 0;
  return bytes;
}

size_t& most_reserved() {
  static size_t bytes = 0;
  return bytes;
}

cudaError_t check_launch(const cudaLaunchConfig_t& config, const void* kernel) {
  const dim3& grid = config.gridDim;
  const dim3& block = config.blockDim;
  const bool grid_fits = grid.x > 0 && grid.x <= 0x7FFFFFFFU && grid.y > 0 && grid.y <= 65535 &&
                         grid.z > 0 && grid.z <= 65535;
  const bool block_fits = block.x > 0 && block.y > 0 && block.z > 0 && block.z <= 64 &&
                          size_t{block.x} * block.y * block.z <= 1024;
  const auto raised = raised_limits().find(kernel);
  const size_t limit = raised == raised_limits().end() ? 48 * 1024 : raised->second;
  if (!grid_fits || !block_fits) return cudaErrorInvalidConfiguration;
  count_work();
  return config.dynamicSmemBytes <= limit ? cudaSuccess : cudaErrorInvalidValue;
}

}  // namespace cuda_emulation

using cuda_emulation::DeviceAccess;

const char* cudaGetErrorString(cudaError_t status) {
  switch (status) {
    case cudaErrorMemoryAllocation:
      return "out of memory";
    case cudaErrorInvalidConfiguration:
      return "invalid configuration argument";
    case cudaErrorInvalidDevice:
      return "invalid device ordinal";
    case cudaErrorStreamCaptureUnsupported:
      return "operation not permitted when stream is capturing";
    case cudaErrorStreamCaptureInvalidated:
      return "operation failed due to a previous error during capture";
    default:
      return "invalid argument";
  }
}
cudaError_t cudaGetLastError() { return cudaSuccess; }

cudaError_t cudaGetDeviceCount(int* count) {
  *count = 1;
  return cudaSuccess;
}
cudaError_t cudaGetDevice(int* device) {
  *device = 0;
  return cudaSuccess;
}
cudaError_t cudaSetDevice(int device) { return device == 0 ? cudaSuccess : cudaErrorInvalidDevice; }
/// Kernels overlap, as on the newest that the properties below are not of.
cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr, int) {
  *value = 9;
  return cudaSuccess;
}
cudaError_t cudaFuncGetAttributes(cudaFuncAttributes* attributes, const void*) {
  *attributes = {90, 90};
  return cudaSuccess;
}
cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int device) {
  *properties = {};
  std::snprintf(properties->name, sizeof(properties->name), "emulated");
  properties->major = 8;
  properties->minor = 6;
  properties->multiProcessorCount = 4;
  size_t free = 0;
  cuda_emulation::memory_left(&free, &properties->totalGlobalMem);
  properties->sharedMemPerBlockOptin = cuda_emulation::kBlockSharedBytes;
  return cudaSetDevice(device);
}
cudaError_t cudaDriverGetVersion(int* version) {
  *version = CUDART_VERSION;
  return cudaSuccess;
}

cudaError_t cudaDeviceGetDefaultMemPool(cudaMemPool_t* pool, int) {
  *pool = nullptr;
  return cudaSuccess;
}
cudaError_t cudaMemPoolSetAttribute(cudaMemPool_t, cudaMemPoolAttr, void*) { return cudaSuccess; }
cudaError_t cudaMemPoolGetAttribute(cudaMemPool_t, cudaMemPoolAttr which, void* value) {
  const bool used = which == cudaMemPoolAttrUsedMemCurrent;
  *static_cast<uint64_t*>(value) =
      cuda_emulation::used_bytes() + (used ? 0 : cuda_emulation::held_bytes());
  return cudaSuccess;
}
cudaError_t cudaMemPoolTrimTo(cudaMemPool_t, size_t bytes_to_keep) {
  const size_t used = cuda_emulation::used_bytes();
  const size_t keep = bytes_to_keep > used ? bytes_to_keep - used : 0;
  cuda_emulation::held_bytes() = std::min(cuda_emulation::held_bytes(), keep);
  return cudaSuccess;
}
cudaError_t cudaMallocAsync(void** memory, size_t bytes, cudaStream_t) {
  *memory = cuda_emulation::allocate(bytes);
  cuda_emulation::most_reserved() = std::max(
      cuda_emulation::most_reserved(), cuda_emulation::used_bytes() + cuda_emulation::held_bytes());
  return *memory == nullptr ? cudaErrorMemoryAllocation : cudaSuccess;
}
cudaError_t cudaFreeAsync(void* memory, cudaStream_t) {
  const size_t before = cuda_emulation::used_bytes();
  cuda_emulation::release(memory);
  cuda_emulation::held_bytes() += before - cuda_emulation::used_bytes();
  return cudaSuccess;
}
cudaError_t cudaMemGetInfo(size_t* free, size_t* total) {
  cuda_emulation::memory_left(free, total);
  return cudaSuccess;
}
cudaError_t cudaPointerGetAttributes(cudaPointerAttributes* attributes, const void* pointer) {
  const bool on_device = cuda_emulation::is_device_pointer(pointer);
  attributes->type = on_device ? cudaMemoryTypeDevice : cudaMemoryTypeUnregistered;
  return cudaSuccess;
}

cudaError_t cudaMemsetAsync(void* to, int value, size_t bytes, cudaStream_t stream) {
  if (!cuda_emulation::is_device_pointer(to)) return cudaErrorInvalidValue;
  cuda_emulation::count_work();
  return cuda_emulation::queue(stream, [=] {
    const DeviceAccess access;
    std::memset(to, value, bytes);
  });
}
cudaError_t cudaMemcpyAsync(void* to, const void* from, size_t bytes, cudaMemcpyKind kind,
                            cudaStream_t stream) {
  return cudaMemcpy2DAsync(to, bytes, from, bytes, bytes, 1, kind, stream);
}
cudaError_t cudaMemcpy2DAsync(void* to, size_t to_pitch, const void* from, size_t pitch,
                              size_t width, size_t height, cudaMemcpyKind kind,
                              cudaStream_t stream) {
  const bool on_device =
      cuda_emulation::is_device_pointer(to) && cuda_emulation::is_device_pointer(from);
  if (kind == cudaMemcpyDeviceToDevice && !on_device) return cudaErrorInvalidValue;
  if (to_pitch < width || pitch < width) return cudaErrorInvalidValue;
  const bool recorded = cuda_emulation::records(stream);
  if (cuda_emulation::is_late(stream) && !recorded) {
    if (height != 1) return cudaErrorInvalidValue;
    return cuda_emulation::copy_later(stream, to, from, width);
  }
  cuda_emulation::count_work();
  return cuda_emulation::queue(stream, [=] {
    const DeviceAccess access;
    for (size_t row = 0; row < height; ++row) {
      std::memcpy(static_cast<char*>(to) + row * to_pitch,
                  static_cast<const char*>(from) + row * pitch, width);
    }
  });
}

cudaError_t cudaFuncSetAttribute(const void* kernel, cudaFuncAttribute, int value) {
  if (value < 0 || static_cast<size_t>(value) > cuda_emulation::kBlockSharedBytes) {
    return cudaErrorInvalidValue;
  }
  cuda_emulation::raised_limits()[kernel] = static_cast<size_t>(value);
  return cudaSuccess;
}
