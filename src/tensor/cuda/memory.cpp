#include <array>
#include <atomic>
#include <cstdio>

#include "common/error.h"
#include "tensor/cuda/backend.h"
#include "tensor/cuda/runtime.h"

namespace memlong::cuda {
namespace {

/// Freed memory stays with the process up to any amount: tensors come and go at every step.
cudaMemPool_t pool_of(int device) {
  cudaMemPool_t pool = nullptr;
  check(cudaDeviceGetDefaultMemPool(&pool, device), "memory pool");
  uint64_t all = UINT64_MAX;
  check(cudaMemPoolSetAttribute(pool, cudaMemPoolAttrReleaseThreshold, &all), "memory pool");
  return pool;
}

std::string gibibytes(size_t bytes) {
  char text[32];
  std::snprintf(text, sizeof(text), "%.2f GiB", static_cast<double>(bytes) / 0x1p30);
  return text;
}

/// By device, as the driver's pools are: what may be held at a time; 0: no limit. Devices beyond
/// the last have none.
std::array<std::atomic<size_t>, 64>& limits() {
  static std::array<std::atomic<size_t>, 64> of_device{};
  return of_device;
}

size_t limit_of(int device) {
  return static_cast<size_t>(device) < limits().size()
             ? limits()[static_cast<size_t>(device)].load()
             : 0;
}

size_t bytes_of(cudaMemPool_t pool, cudaMemPoolAttr which) {
  uint64_t bytes = 0;
  check(cudaMemPoolGetAttribute(pool, which, &bytes), "memory pool");
  return bytes;
}

/// What is freed and still held counts: it is given back where there would be too much of it.
/// False where more is used than would leave the limit so many bytes.
bool make_room(cudaMemPool_t pool, size_t limit, size_t bytes) {
  if (bytes > limit || bytes_of(pool, cudaMemPoolAttrUsedMemCurrent) > limit - bytes) return false;
  if (bytes_of(pool, cudaMemPoolAttrReservedMemCurrent) > limit - bytes) {
    check(cudaMemPoolTrimTo(pool, limit - bytes), "memory pool");
  }
  return true;
}

/// "1.20 GiB of 23.69 GiB are free", or what the limit leaves.
std::string room_text(int device, cudaMemPool_t pool) {
  size_t free = 0;
  size_t total = 0;
  uint64_t reserved = 0;
  uint64_t used = 0;
  cudaMemGetInfo(&free, &total);
  cudaMemPoolGetAttribute(pool, cudaMemPoolAttrReservedMemCurrent, &reserved);
  cudaMemPoolGetAttribute(pool, cudaMemPoolAttrUsedMemCurrent, &used);
  cudaGetLastError();  // the next call must not report it again
  free += reserved - used;
  const size_t limit = limit_of(device);
  const size_t left = limit > used ? limit - used : 0;
  if (limit == 0 || left > free) return gibibytes(free) + " of " + gibibytes(total) + " are free";
  return gibibytes(left) + " are left of the " + gibibytes(limit) + " that --max-gpu-memory allows";
}

[[noreturn]] void out_of_memory(int device, cudaMemPool_t pool, size_t bytes,
                                const std::string& what) {
  fail(ErrorKind::capacity, "out of GPU memory: " + std::to_string(bytes) + " bytes (" +
                                gibibytes(bytes) + ") for " + what + " on CUDA device " +
                                std::to_string(device) + ", where " + room_text(device, pool) +
                                "; lower the window, the batch or the top-k, or use "
                                "--device cpu");
}

/// Frees on the device it was allocated on, behind all work that may still use it. What this thread
/// records meanwhile may use it too.
void release(void* memory, int device) {
  break_recording();
  int before = 0;
  cudaGetDevice(&before);
  if (before != device) cudaSetDevice(device);
  cudaFreeAsync(memory, cudaStreamLegacy);
  if (before != device) cudaSetDevice(before);
}

bool on_device(const void* memory) {
  cudaPointerAttributes attributes{};
  check(cudaPointerGetAttributes(&attributes, memory), "copy");
  return attributes.type == cudaMemoryTypeDevice;
}

bool records(cudaStream_t stream) {
  cudaStreamCaptureStatus status = cudaStreamCaptureStatusNone;
  check(cudaStreamIsCapturing(stream, &status), "copy");
  return status != cudaStreamCaptureStatusNone;
}

}  // namespace

std::shared_ptr<void> allocate(size_t bytes, const std::string& what) {
  return allocate(bytes, what, cudaStreamLegacy);
}

std::shared_ptr<void> allocate(size_t bytes, const std::string& what, void* stream) {
  refuse_in_recording("memory is asked for");
  int device = 0;
  check(cudaGetDevice(&device), "allocation");
  const cudaMemPool_t pool = pool_of(device);
  const size_t limit = limit_of(device);
  if (limit > 0 && !make_room(pool, limit, bytes)) out_of_memory(device, pool, bytes, what);
  void* memory = nullptr;
  const cudaError_t status =
      cudaMallocAsync(&memory, bytes == 0 ? 1 : bytes, static_cast<cudaStream_t>(stream));
  if (status == cudaErrorMemoryAllocation) out_of_memory(device, pool, bytes, what);
  check(status, "allocation of " + std::to_string(bytes) + " bytes for " + what);
  return {memory, [device](void* freed) { release(freed, device); }};
}

std::shared_ptr<void> allocate_pinned(size_t bytes) {
  refuse_in_recording("page-locked memory is asked for");
  void* memory = nullptr;
  const cudaError_t status = cudaHostAlloc(&memory, bytes == 0 ? 1 : bytes, cudaHostAllocPortable);
  if (status == cudaErrorMemoryAllocation) {
    cudaGetLastError();
    fail(ErrorKind::capacity, "out of memory: " + gibibytes(bytes) +
                                  " of page-locked memory for copies to and from the GPU; lower "
                                  "the window or the top-k");
  }
  check(status, "page-locked memory");
  return {memory, [](void* freed) {
            break_recording();
            cudaFreeHost(freed);
          }};
}

void limit_memory(int device_index, size_t bytes) {
  if (static_cast<size_t>(device_index) < limits().size()) {
    limits()[static_cast<size_t>(device_index)] = bytes;
  }
}

void release_unused(int device_index) {
  check(cudaMemPoolTrimTo(pool_of(device_index), 0), "memory pool");
}

void set_zero(void* memory, size_t bytes) {
  if (bytes == 0) return;
  check(cudaMemsetAsync(memory, 0, bytes, cudaStreamLegacy), "zeros");
}

void gather_rows(void* to, const void* from, size_t row, size_t pitch, size_t rows) {
  const auto kind = cudaMemcpyDeviceToDevice;
  check(rows == 1 ? cudaMemcpyAsync(to, from, row, kind, cudaStreamLegacy)
                  : cudaMemcpy2DAsync(to, row, from, pitch, row, rows, kind, cudaStreamLegacy),
        "copy of a tensor");
}

void copy_bytes(Context& context, void* to, const void* from, size_t bytes) {
  if (bytes == 0) return;
  context.activate();
  if (records(stream_of(context)) && !(on_device(to) && on_device(from))) {
    fail(ErrorKind::device, "a copy from or to the host cannot be recorded");
  }
  check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDefault, stream_of(context)), "copy");
}

}  // namespace memlong::cuda
