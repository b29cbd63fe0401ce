# FAISS with GPU support, where MEMLONG_FAISS_GPU asks for it; Debian's has none (scripts/gpu-faiss.sh
# builds one). Sets MEMLONG_HAS_FAISS_GPU; the target memlong_faiss_gpu_parts has what the module
# links. It may be of another version than the FAISS that the rest uses: the two never meet.
set(MEMLONG_FAISS_GPU AUTO CACHE STRING "FAISS on GPUs: AUTO (where FAISS with GPU support is found), ON, OFF")
set_property(CACHE MEMLONG_FAISS_GPU PROPERTY STRINGS AUTO ON OFF)
set(MEMLONG_FAISS_GPU_ROOT "" CACHE PATH "Where FAISS with GPU support is installed")
set(MEMLONG_HAS_FAISS_GPU OFF)
if(NOT MEMLONG_FAISS_GPU MATCHES "^(AUTO|ON|OFF)$")
  message(FATAL_ERROR "MEMLONG_FAISS_GPU is '${MEMLONG_FAISS_GPU}': none of AUTO, ON, OFF")
endif()
if(MEMLONG_FAISS_GPU STREQUAL "OFF")
  message(STATUS "FAISS for GPUs: not built (MEMLONG_FAISS_GPU=OFF)")
  return()
endif()

function(memlong_no_faiss_gpu why)
  if(MEMLONG_FAISS_GPU STREQUAL "ON")
    message(FATAL_ERROR "FAISS for GPUs: ${why} (MEMLONG_FAISS_GPU=ON). Set MEMLONG_FAISS_GPU_ROOT to where it is installed, or use MEMLONG_FAISS_GPU=OFF")
  endif()
  message(STATUS "FAISS for GPUs: not built, ${why}")
endfunction()
if(MEMLONG_SANITIZE)
  memlong_no_faiss_gpu("sanitizers do not go with it")
  return()
endif()

find_path(MEMLONG_FAISS_GPU_INCLUDE faiss/gpu/GpuIndexFlat.h
  HINTS ${MEMLONG_FAISS_GPU_ROOT} ENV CONDA_PREFIX PATH_SUFFIXES include)
if(NOT MEMLONG_FAISS_GPU_INCLUDE)
  memlong_no_faiss_gpu("there is no header faiss/gpu/GpuIndexFlat.h")
  return()
endif()
# The library that belongs to the header, not another one of the system.
cmake_path(GET MEMLONG_FAISS_GPU_INCLUDE PARENT_PATH faiss_gpu_prefix)
find_library(MEMLONG_FAISS_GPU_LIBRARY faiss PATHS ${faiss_gpu_prefix}
  PATH_SUFFIXES lib lib64 lib/${CMAKE_LIBRARY_ARCHITECTURE} NO_DEFAULT_PATH)
if(NOT MEMLONG_FAISS_GPU_LIBRARY)
  memlong_no_faiss_gpu("there is no library faiss below ${faiss_gpu_prefix}")
  return()
endif()
find_package(CUDAToolkit QUIET)
if(NOT CUDAToolkit_FOUND)
  memlong_no_faiss_gpu("no CUDA toolkit was found")
  return()
endif()
# One process can hold the runtimes of two CUDA versions, but a handle of one means nothing to the other.
if(MEMLONG_FAISS_GPU_LIBRARY MATCHES "\\.so")
  execute_process(COMMAND ${CMAKE_READELF} -d ${MEMLONG_FAISS_GPU_LIBRARY} OUTPUT_VARIABLE faiss_gpu_needs)
  if(faiss_gpu_needs MATCHES "libcudart\\.so\\.([0-9]+)" AND NOT CMAKE_MATCH_1 EQUAL CUDAToolkit_VERSION_MAJOR)
    memlong_no_faiss_gpu("${MEMLONG_FAISS_GPU_LIBRARY} is of CUDA ${CMAKE_MATCH_1}, the toolkit of CUDA ${CUDAToolkit_VERSION_MAJOR}; CUDAToolkit_ROOT chooses another")
    return()
  endif()
endif()

add_library(memlong_faiss_gpu_parts INTERFACE)
target_include_directories(memlong_faiss_gpu_parts SYSTEM INTERFACE ${MEMLONG_FAISS_GPU_INCLUDE})
# A static FAISS (scripts/gpu-faiss.sh) takes the runtime in: of the toolkit only cuBLAS must be there.
set(faiss_gpu_runtime CUDA::cudart_static)
if(MEMLONG_FAISS_GPU_LIBRARY MATCHES "\\.so")
  set(faiss_gpu_runtime CUDA::cudart)
endif()
set(faiss_gpu_libraries ${MEMLONG_FAISS_GPU_LIBRARY} ${faiss_gpu_runtime} CUDA::cublas OpenMP::OpenMP_CXX
  LAPACK::LAPACK BLAS::BLAS)
target_link_libraries(memlong_faiss_gpu_parts INTERFACE ${faiss_gpu_libraries})

unset(MEMLONG_FAISS_GPU_LINKS CACHE)
try_compile(MEMLONG_FAISS_GPU_LINKS ${CMAKE_BINARY_DIR}/faiss_gpu_check
  SOURCES ${CMAKE_CURRENT_LIST_DIR}/faiss_gpu_check.cpp
  CMAKE_FLAGS -DINCLUDE_DIRECTORIES=${MEMLONG_FAISS_GPU_INCLUDE}
  LINK_LIBRARIES ${faiss_gpu_libraries}
  CXX_STANDARD 20 OUTPUT_VARIABLE faiss_gpu_output)
if(NOT MEMLONG_FAISS_GPU_LINKS)
  file(WRITE ${CMAKE_BINARY_DIR}/faiss_gpu_check.log "${faiss_gpu_output}")
  memlong_no_faiss_gpu("${MEMLONG_FAISS_GPU_LIBRARY} does not link, see ${CMAKE_BINARY_DIR}/faiss_gpu_check.log")
  return()
endif()
set(MEMLONG_HAS_FAISS_GPU ON)
message(STATUS "FAISS for GPUs: ${MEMLONG_FAISS_GPU_LIBRARY}")
