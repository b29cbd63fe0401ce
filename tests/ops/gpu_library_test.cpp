#include "ops/gpu_library.h"

#include <gmock/gmock.h>

#include "common/error.h"
#if defined(MEMLONG_WITH_CUDA)
#include "ops/cuda/blas_library.h"
#endif

namespace memlong::ops {
namespace {

#if defined(MEMLONG_WITH_CUDA)
constexpr const char* kNowhere = "/nowhere/libcublasLt.so.13";

/// What was there to compile with is there to load, without a GPU too.
TEST(GpuLibrary, IsLoadedWhereTheBuildFoundIt) { EXPECT_EQ(why_no_gpu_library(), ""); }

TEST(GpuLibrary, TheFirstFileThatIsThereIsTaken) {
  const std::string files[] = {kNowhere, MEMLONG_CUDA_FOLDER "/" MEMLONG_CUBLASLT};
  const BlasLibrary library = load_blas_library(files);
  EXPECT_STREQ(library.status_name(CUBLAS_STATUS_NOT_SUPPORTED), "CUBLAS_STATUS_NOT_SUPPORTED");
}

TEST(GpuLibrary, OneLineSaysThatItIsMissing) {
  const std::string files[] = {kNowhere, "/nowhere/at/all"};
  try {
    load_blas_library(files);
    FAIL() << "a library was loaded from nowhere";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::device);
    EXPECT_EQ(std::string(error.what()),
              "cuBLASLt cannot be loaded: /nowhere/libcublasLt.so.13: cannot open shared object "
              "file: No such file or directory; install libcublas of the CUDA toolkit, or name its "
              "folder in LD_LIBRARY_PATH");
  }
}

TEST(GpuLibrary, AnotherLibraryIsRefused) {
  const std::string files[] = {"libm.so.6"};
  try {
    load_blas_library(files);
    FAIL() << "a library of something else was taken";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), testing::HasSubstr("cuBLASLt has no cublasLtCreate"));
  }
}
#else
TEST(GpuLibrary, ABuildWithoutCudaNeedsNone) { EXPECT_EQ(why_no_gpu_library(), ""); }
#endif

}  // namespace
}  // namespace memlong::ops
