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

[[noreturn]] void out_of_memory(int device, cudaMemPool_t pool, size_t bytes,
                                const std::string& what) {
  size_t free = 0;
  size_t total = 0;
  uint64_t reserved = 0;
  uint64_t used = 0;
  cudaMemGetInfo(&free, &total);
  cudaMemPoolGetAttribute(pool, cudaMemPoolAttrReservedMemCurrent, &reserved);
  cudaMemPoolGetAttribute(pool, cudaMemPoolAttrUsedMemCurrent, &used);
  cudaGetLastError();  // the next call must not report it again
  fail(ErrorKind::capacity, "out of GPU memory: " + std::to_string(bytes) + " bytes (" +
                                gibibytes(bytes) + ") for " + what + " on CUDA device " +
                                std::to_string(device) + ", where " +
                                gibibytes(free + (reserved - used)) + " of " + gibibytes(total) +
                                " are free; lower the window, the batch or the top-k, or use "
                                "--device cpu");
}

/// Frees on the device it was allocated on, behind all work that may still use it.
void release(void* memory, int device) {
  int before = 0;
  cudaGetDevice(&before);
  if (before != device) cudaSetDevice(device);
  cudaFreeAsync(memory, cudaStreamLegacy);
  if (before != device) cudaSetDevice(before);
}

}  // namespace

std::shared_ptr<void> allocate(size_t bytes, const std::string& what) {
  int device = 0;
  check(cudaGetDevice(&device), "allocation");
  const cudaMemPool_t pool = pool_of(device);
  void* memory = nullptr;
  const cudaError_t status = cudaMallocAsync(&memory, bytes == 0 ? 1 : bytes, cudaStreamLegacy);
  if (status == cudaErrorMemoryAllocation) out_of_memory(device, pool, bytes, what);
  check(status, "allocation of " + std::to_string(bytes) + " bytes for " + what);
  return {memory, [device](void* freed) { release(freed, device); }};
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
  check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDefault, stream_of(context)), "copy");
}

}  // namespace memlong::cuda
