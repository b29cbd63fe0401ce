#include "ops/cuda/blas.h"

#include "common/error.h"
#include "tensor/cuda/backend.h"

namespace memlong::ops {

Blas::Blas() : workspace_(cuda::allocate(kWorkspaceBytes, "the workspace of matrix products")) {
  check_blas(blas_library().create(&handle_), "start");
}

Blas::~Blas() { blas_library().destroy(handle_); }

void check_blas(cublasStatus_t status, const std::string& what) {
  if (status == CUBLAS_STATUS_SUCCESS) return;
  fail(ErrorKind::device, "cuBLASLt: " + what + ": " + blas_library().status_name(status));
}

}  // namespace memlong::ops
