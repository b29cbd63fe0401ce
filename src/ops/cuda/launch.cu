#include <algorithm>
#include <string>

#include "common/error.h"
#include "ops/cuda/launch.h"
#include "tensor/cuda/runtime.h"

namespace memlong::ops {
namespace {

/// What every device gives without being asked.
constexpr size_t kUsualSharedBytes = 48 * 1024;

std::string text(const dim3& extent) {
  std::string numbers = std::to_string(extent.x);
  for (const unsigned next : {extent.y, extent.z})
    numbers.append(", ").append(std::to_string(next));
  return std::string("[").append(numbers).append("]");
}

}  // namespace

void allow_shared_memory(const Context& context, const char* name, const void* kernel,
                         size_t bytes) {
  if (bytes <= kUsualSharedBytes) return;
  cuda::check(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize,
                                   static_cast<int>(bytes)),
              std::string("kernel ") + name + ", " + std::to_string(bytes) +
                  " bytes of shared memory on device " + std::to_string(context.device_index()));
}

bool kernels_wait(const void* any_kernel) {
  constexpr int kFirstVersion = 90;
  static const bool all = [any_kernel] {
    cudaFuncAttributes attributes{};
    cuda::check(cudaFuncGetAttributes(&attributes, any_kernel), "attributes of a kernel");
    return std::min(attributes.ptxVersion, attributes.binaryVersion) >= kFirstVersion;
  }();
  return all;
}

void check_launch(const char* name, const LaunchShape& shape, cudaError_t status) {
  if (status == cudaSuccess) return;
  cuda::check(status, std::string("kernel ") + name + ", grid " + text(shape.grid) + ", block " +
                          text(shape.block) + ", " + std::to_string(shape.shared_bytes) +
                          " bytes of shared memory");
}

bool rows_aligned(const TensorView& x, int64_t bytes) {
  const auto size = static_cast<int64_t>(dtype_size(x.dtype()));
  bool aligned = reinterpret_cast<uintptr_t>(x.raw()) % static_cast<uintptr_t>(bytes) == 0;
  for (int i = 0; i + 1 < x.rank(); ++i) {
    aligned = aligned && (x.dim(i) == 1 || x.stride(i) * size % bytes == 0);
  }
  return aligned;
}

}  // namespace memlong::ops
