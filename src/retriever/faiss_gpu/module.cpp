// The optional module: a flat index of FAISS on a GPU. Built where FAISS with GPU support is found
// (cmake/FaissGpu.cmake), and the only file that knows it. What FAISS cannot do, removal and
// filters, is done around it (retriever/device_search.cpp).
#include <algorithm>
#include <cstdio>
#include <cublas_v2.h>
#include <cuda_runtime.h>
#include <exception>
#include <limits>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>

#include <faiss/gpu/GpuIndexFlat.h>
#include <faiss/gpu/StandardGpuResources.h>
#include <faiss/gpu/utils/DeviceUtils.h>

#include "retriever/faiss_gpu/abi.h"

namespace memlong::retriever {
namespace {

constexpr int64_t kMiB = int64_t{1} << 20;
/// FAISS selects at most so many rows on a GPU.
constexpr int64_t kMostFetched = 2048;
/// FAISS's own working memory, taken once; its default is 1.5 GiB. A search needs two scores of
/// each query for as many vectors as FAISS multiplies at once, 2^18, as f16 2^19: 64 MiB, and
/// little more.
constexpr int64_t kScratchBytes = 128 * kMiB;
constexpr int64_t kQueriesAtOnce = 32;
constexpr int64_t kHalfQueriesAtOnce = 16;
/// What must be free for the scratch memory and for cuBLAS, which ends the process without it.
constexpr int64_t kBytesToOpen = 512 * kMiB;
/// Vectors that become f16 pass through the GPU in f32 and f16, in pieces of 256 MiB of f32.
constexpr int64_t kHalfStagingBytes = 384 * kMiB;

struct Device {
  int index = 0;
  int64_t bytes = 0;
  std::mutex mutex;
  faiss::gpu::StandardGpuResources resources;
};

struct Rows {
  Device* device = nullptr;
  int64_t queries_at_once = kQueriesAtOnce;
  std::unique_ptr<faiss::gpu::GpuIndexFlatIP> index;
};

[[noreturn]] void refuse(const std::string& line) { throw std::runtime_error(line); }

void check(cudaError_t status, const std::string& what) {
  if (status != cudaSuccess) refuse(what + ": " + cudaGetErrorString(status));
}

std::string mib(int64_t bytes) { return std::to_string((bytes + kMiB - 1) / kMiB) + " MiB"; }

std::string name_of(int index) { return "cuda:" + std::to_string(index); }

/// Runs `work`; what it throws becomes one line.
template <class Work>
int guarded(char* error, size_t error_size, Work work) {
  std::string line = "unknown error";
  try {
    work();
    return 0;
  } catch (const std::exception& exception) {
    line = exception.what();
  } catch (...) {
  }
  std::ranges::replace(line, '\n', ' ');
  std::snprintf(error, error_size, "FAISS on the GPU: %s", line.c_str());
  return -1;
}

/// Of the current device.
int64_t free_bytes(int index) {
  size_t free = 0;
  size_t total = 0;
  check(cudaMemGetInfo(&free, &total), "free memory of " + name_of(index));
  return static_cast<int64_t>(free);
}

int open(int index, int64_t bytes, void** out, char* error, size_t error_size) {
  return guarded(error, error_size, [&] {
    int count = 0;
    check(cudaGetDeviceCount(&count), "no GPU can be used");
    if (index < 0 || index >= count) {
      refuse("there is no " + name_of(index) + ", there are " + std::to_string(count) + " GPUs");
    }
    const faiss::gpu::DeviceScope scope(index);
    const int64_t free = free_bytes(index);
    if (free < kBytesToOpen) {
      refuse("needs " + mib(kBytesToOpen) + " of " + name_of(index) + " to begin, " + mib(free) +
             " are free");
    }
    auto device = std::make_unique<Device>();
    device->index = index;
    device->bytes = bytes;
    device->resources.setTempMemory(static_cast<size_t>(kScratchBytes));
    device->resources.setPinnedMemory(0);  // only for queries of 256 MiB and more
    // Products in f32 as they are, never in TF32: the proof that no row is missed rests on it.
    const auto status = cublasSetMathMode(
        device->resources.getResources()->getBlasHandleCurrentDevice(), CUBLAS_PEDANTIC_MATH);
    if (status != CUBLAS_STATUS_SUCCESS) refuse("cuBLAS takes no mode of computing");
    *out = device.release();
  });
}

void close(void* device) { delete static_cast<Device*>(device); }

void check_memory(const Device& device, int half, int64_t n, int64_t dim) {
  const int64_t vectors = n * dim * (half != 0 ? 2 : 4) + n * 4;  // and a norm of each
  const int64_t staging = half != 0 ? std::min(n * dim * 6, kHalfStagingBytes) : 0;
  const int64_t free = free_bytes(device.index);
  const int64_t most = device.bytes > 0 ? std::min(device.bytes, free) : free / 2;
  if (vectors + staging <= most) return;
  refuse(std::to_string(n) + " vectors of " + std::to_string(dim) + " need " +
         mib(vectors + staging) + " of " + name_of(device.index) + ", and may take " + mib(most) +
         " (" + mib(free) + " are free)" +
         (half != 0 ? "" : "; in half precision they need about half"));
}

int load(void* opened, int half, const float* vectors, int64_t n, int64_t dim, void** out,
         char* error, size_t error_size) {
  return guarded(error, error_size, [&] {
    Device& device = *static_cast<Device*>(opened);
    const std::lock_guard lock(device.mutex);
    const faiss::gpu::DeviceScope scope(device.index);
    if (n > std::numeric_limits<int>::max()) refuse("too many vectors: " + std::to_string(n));
    check_memory(device, half, n, dim);
    faiss::gpu::GpuIndexFlatConfig config;
    config.device = device.index;
    config.useFloat16 = half != 0;
    auto rows = std::make_unique<Rows>();
    rows->device = &device;
    if (half != 0) rows->queries_at_once = kHalfQueriesAtOnce;
    rows->index = std::make_unique<faiss::gpu::GpuIndexFlatIP>(&device.resources,
                                                               static_cast<int>(dim), config);
    rows->index->add(n, vectors);
    device.resources.syncDefaultStreamCurrentDevice();
    *out = rows.release();
  });
}

void drop(void* opened) {
  const std::unique_ptr<Rows> rows(static_cast<Rows*>(opened));
  const std::lock_guard lock(rows->device->mutex);
  rows->index.reset();
}

int search(const void* opened, const float* queries, int64_t n, int64_t fetch, int64_t* found,
           float* scores, char* error, size_t error_size) {
  return guarded(error, error_size, [&] {
    const Rows& rows = *static_cast<const Rows*>(opened);
    const std::lock_guard lock(rows.device->mutex);
    const faiss::gpu::DeviceScope scope(rows.device->index);
    for (int64_t first = 0; first < n; first += rows.queries_at_once) {
      const int64_t count = std::min(rows.queries_at_once, n - first);
      rows.index->search(count, queries + first * rows.index->d, fetch, scores + first * fetch,
                         found + first * fetch);
    }
    rows.device->resources.syncDefaultStreamCurrentDevice();
  });
}

constexpr FaissGpuModule kModule{kFaissGpuAbi, kMostFetched, open, close, load, drop, search};

}  // namespace
}  // namespace memlong::retriever

extern "C" __attribute__((visibility("default"))) const memlong::retriever::FaissGpuModule*
memlong_faiss_gpu() {
  return &memlong::retriever::kModule;
}
