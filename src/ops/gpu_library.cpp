#include "ops/gpu_library.h"

#include "common/error.h"
#include "ops/gemm_kernels.h"
#include "tensor/device.h"

namespace memlong::ops {

std::string why_no_gpu_library() {
  if constexpr (kHasCuda) {
    try {
      load_gemm_library();
    } catch (const Error& error) {
      return error.what();
    }
  }
  return {};
}

}  // namespace memlong::ops
