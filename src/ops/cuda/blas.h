// cuBLASLt for a context: context.extension<Blas>(). Only cuda/ files include this.
#pragma once

#include <cstddef>
#include <memory>
#include <string>

#include "ops/cuda/blas_library.h"

namespace memlong::ops {

/// The handle and its workspace, on the device of the calling thread when it is made. Calls that
/// use the workspace are queued on one stream, the context's.
class Blas {
 public:
  static constexpr size_t kWorkspaceBytes = size_t{32} << 20;
  Blas();
  ~Blas();
  Blas(const Blas&) = delete;
  Blas& operator=(const Blas&) = delete;

  [[nodiscard]] cublasLtHandle_t handle() const { return handle_; }
  [[nodiscard]] void* workspace() const { return workspace_.get(); }

 private:
  cublasLtHandle_t handle_ = nullptr;
  std::shared_ptr<void> workspace_;
};

/// Error{device} unless the call succeeded, with the library's own word for it.
void check_blas(cublasStatus_t status, const std::string& what);

}  // namespace memlong::ops
