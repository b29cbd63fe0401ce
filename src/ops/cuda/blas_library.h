// The functions of cuBLASLt that memlong calls. Its shared library is loaded when the first is
// asked for, and never by a program that computes on the processor: it has half a gigabyte, takes
// longer to load than most commands take in all, and need not be there. Only cuda/ files include
// this.
#pragma once

#include <cublasLt.h>
#include <span>
#include <string>

namespace memlong::ops {

struct BlasLibrary {
  decltype(&cublasLtCreate) create = nullptr;
  decltype(&cublasLtDestroy) destroy = nullptr;
  decltype(&cublasLtGetStatusName) status_name = nullptr;
  decltype(&cublasLtMatrixLayoutCreate) make_layout = nullptr;
  decltype(&cublasLtMatrixLayoutDestroy) drop_layout = nullptr;
  decltype(&cublasLtMatmulDescCreate) make_description = nullptr;
  decltype(&cublasLtMatmulDescSetAttribute) set_description = nullptr;
  decltype(&cublasLtMatmulDescDestroy) drop_description = nullptr;
  decltype(&cublasLtMatmulPreferenceCreate) make_preference = nullptr;
  decltype(&cublasLtMatmulPreferenceSetAttribute) set_preference = nullptr;
  decltype(&cublasLtMatmulPreferenceDestroy) drop_preference = nullptr;
  decltype(&cublasLtMatmulAlgoGetHeuristic) find_algorithm = nullptr;
  decltype(&cublasLtMatmul) matmul = nullptr;
};

/// Of the release that this was compiled with, where the loader finds it (LD_LIBRARY_PATH, the
/// system), or else in the toolkit of the build. Loaded once, and never unloaded. Error{device}
/// says in one line what is missing. Thread-safe.
const BlasLibrary& blas_library();

/// The first of these files that there is; none is kept. Errors as above.
BlasLibrary load_blas_library(std::span<const std::string> files);

}  // namespace memlong::ops
