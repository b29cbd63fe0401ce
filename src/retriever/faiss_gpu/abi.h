// Between the programs and the module that holds FAISS for GPUs. Plain C, because the two sides may
// come from different compilers, and bring different versions of FAISS.
#pragma once

#include <cstddef>
#include <cstdint>

namespace memlong::retriever {

inline constexpr int kFaissGpuAbi = 1;

/// Calls return 0, or -1 with one line in `error` [error_size]. Thread-safe.
struct FaissGpuModule {
  int abi = kFaissGpuAbi;
  int64_t most_fetched = 0;
  /// GPU number `index`; rows may take `bytes` of its memory, 0: half of what is free.
  int (*open)(int index, int64_t bytes, void** device, char* error, size_t error_size) = nullptr;
  void (*close)(void* device) = nullptr;
  /// Copies vectors [n, dim]; half: keeps them as f16. The device must outlive its rows.
  int (*load)(void* device, int half, const float* vectors, int64_t n, int64_t dim, void** rows,
              char* error, size_t error_size) = nullptr;
  void (*drop)(void* rows) = nullptr;
  /// queries [n, dim] to row numbers [n, fetch] and scores [n, fetch], best first, -1: none.
  int (*search)(const void* rows, const float* queries, int64_t n, int64_t fetch, int64_t* found,
                float* scores, char* error, size_t error_size) = nullptr;
};

/// What the module exports: const FaissGpuModule* memlong_faiss_gpu().
using FaissGpuEntry = const FaissGpuModule* (*)();
inline constexpr const char* kFaissGpuEntry = "memlong_faiss_gpu";
inline constexpr const char* kFaissGpuFile = "libmemlong_faiss_gpu.so";

}  // namespace memlong::retriever
