#include "ops/cuda/blas_library.h"

#include <dlfcn.h>

#include "common/error.h"
#include "ops/gemm_kernels.h"

namespace memlong::ops {
namespace {

/// Whole among the program's data, where scripts/gpu-pack.sh reads it.
[[gnu::used]] constexpr char kFile[] = MEMLONG_CUBLASLT;

template <class Function>
void find(void* library, const char* name, Function& function) {
  function = reinterpret_cast<Function>(dlsym(library, name));
  if (function == nullptr) fail(ErrorKind::device, std::string("cuBLASLt has no ") + name);
}

BlasLibrary functions_of(void* library) {
  BlasLibrary found;
  find(library, "cublasLtCreate", found.create);
  find(library, "cublasLtDestroy", found.destroy);
  find(library, "cublasLtGetStatusName", found.status_name);
  find(library, "cublasLtMatrixLayoutCreate", found.make_layout);
  find(library, "cublasLtMatrixLayoutDestroy", found.drop_layout);
  find(library, "cublasLtMatmulDescCreate", found.make_description);
  find(library, "cublasLtMatmulDescSetAttribute", found.set_description);
  find(library, "cublasLtMatmulDescDestroy", found.drop_description);
  find(library, "cublasLtMatmulPreferenceCreate", found.make_preference);
  find(library, "cublasLtMatmulPreferenceSetAttribute", found.set_preference);
  find(library, "cublasLtMatmulPreferenceDestroy", found.drop_preference);
  find(library, "cublasLtMatmulAlgoGetHeuristic", found.find_algorithm);
  find(library, "cublasLtMatmul", found.matmul);
  return found;
}

}  // namespace

BlasLibrary load_blas_library(std::span<const std::string> files) {
  std::string why;
  for (const std::string& file : files) {
    // CUDA's libraries do not expect to be unloaded.
    void* library = dlopen(file.c_str(), RTLD_LAZY | RTLD_LOCAL | RTLD_NODELETE);
    if (library != nullptr) return functions_of(library);
    if (why.empty()) why = dlerror();
  }
  fail(ErrorKind::device, "cuBLASLt cannot be loaded: " + why +
                              "; install libcublas of the CUDA toolkit, or name its folder in "
                              "LD_LIBRARY_PATH");
}

const BlasLibrary& blas_library() {
  static const std::string files[] = {kFile, MEMLONG_CUDA_FOLDER "/" MEMLONG_CUBLASLT};
  static const BlasLibrary library = load_blas_library(files);
  return library;
}

void load_gemm_library() { blas_library(); }

}  // namespace memlong::ops
