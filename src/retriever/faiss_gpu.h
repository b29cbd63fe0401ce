// FAISS on a GPU, where a module for it was built (docs/gpu.md).
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>

#include "retriever/search_device.h"

namespace memlong::retriever {

struct FaissGpuOptions {
  int device = 0;     ///< number of the GPU
  bool half = false;  ///< vectors as f16: half of the memory
  int64_t bytes = 0;  ///< most memory that vectors may take; 0: half of what is free when they load
  /// Where the module lies; empty: beside the program.
  std::filesystem::path module = {};
};

/// Errors: device, with the reason in one line: the build has no such module, it cannot be loaded,
/// there is no GPU or not that one. A fault of the GPU itself (not memory that is too small) ends
/// the process with a line of FAISS's: that is how FAISS handles it.
std::shared_ptr<SearchDevice> open_faiss_gpu(const FaissGpuOptions& options);

/// open_faiss_gpu(), or what a test puts in its place.
using OpenSearchDevice =
    std::function<std::shared_ptr<SearchDevice>(const FaissGpuOptions& options)>;

}  // namespace memlong::retriever
