# Every third-party package is found here, once. All of them are Debian 12 packages
# (scripts/setup.sh installs them).
find_package(Threads REQUIRED)
find_package(OpenMP REQUIRED COMPONENTS CXX)
find_package(OpenSSL REQUIRED COMPONENTS Crypto)
find_package(spdlog REQUIRED)
find_package(nlohmann_json REQUIRED)
find_package(tomlplusplus REQUIRED)
find_package(Boost 1.74 REQUIRED)
find_package(BLAS REQUIRED)
find_package(LAPACK REQUIRED)
find_package(faiss CONFIG REQUIRED)
find_package(PkgConfig REQUIRED)
pkg_check_modules(lmdb REQUIRED IMPORTED_TARGET lmdb)
pkg_check_modules(sentencepiece REQUIRED IMPORTED_TARGET sentencepiece)
pkg_check_modules(libedit REQUIRED IMPORTED_TARGET libedit)

# Debian's dnnl CMake package asks for OpenCL development files that a CPU build does not need.
find_path(DNNL_INCLUDE_DIR dnnl.hpp REQUIRED)
find_library(DNNL_LIBRARY dnnl REQUIRED)
add_library(memlong_dnnl INTERFACE)
target_include_directories(memlong_dnnl SYSTEM INTERFACE ${DNNL_INCLUDE_DIR})
target_link_libraries(memlong_dnnl INTERFACE ${DNNL_LIBRARY})
