# Kernels on the processor: tests/support/cuda_emulation. Only the tests include this.
include_guard(GLOBAL)
set(MEMLONG_EMULATION ${PROJECT_SOURCE_DIR}/tests/support/cuda_emulation)

file(GLOB emulation_sources CONFIGURE_DEPENDS ${MEMLONG_EMULATION}/*.cpp)
add_library(cuda_emulation STATIC EXCLUDE_FROM_ALL ${emulation_sources})
# include/ comes first: it stands in for CUDA's headers and for src/ops/cuda/intrinsics.cuh.
target_include_directories(cuda_emulation BEFORE PUBLIC ${MEMLONG_EMULATION}/include)
target_include_directories(cuda_emulation PUBLIC ${PROJECT_SOURCE_DIR}/tests)
target_link_libraries(cuda_emulation PUBLIC memlong_base memlong_flags)
target_compile_definitions(cuda_emulation PUBLIC MEMLONG_WITH_CUDA=1)
target_compile_options(cuda_emulation PUBLIC -Wno-unknown-pragmas)

# emulated_kernels(file.cu...): to be compiled as C++ in this folder.
function(emulated_kernels)
  set_source_files_properties(${ARGN} PROPERTIES LANGUAGE CXX)
endfunction()

# emulated_library(name DEPS library... LIBS private-library...): a part of src/ built as with CUDA. Its cpu/ kernels
# are the ones of the part itself. What calls a library (cuda/*.cpp of ops) is left out.
function(emulated_library name)
  cmake_parse_arguments(ARG "" "" "DEPS;LIBS" ${ARGN})
  set(folder ${PROJECT_SOURCE_DIR}/src/${name})
  file(GLOB sources CONFIGURE_DEPENDS ${folder}/*.cpp)
  file(GLOB kernels CONFIGURE_DEPENDS ${folder}/cuda/*.cu)
  if(name STREQUAL "tensor")
    file(GLOB runtime CONFIGURE_DEPENDS ${folder}/cuda/*.cpp)
  endif()
  emulated_kernels(${kernels})
  add_library(memlong_${name}_emulated STATIC EXCLUDE_FROM_ALL ${sources} ${kernels} ${runtime}
    $<FILTER:$<TARGET_OBJECTS:memlong_${name}>,INCLUDE,/cpu/>)
  target_link_libraries(memlong_${name}_emulated PUBLIC cuda_emulation ${ARG_DEPS} PRIVATE ${ARG_LIBS})
endfunction()

emulated_library(tensor DEPS memlong_common)
emulated_library(ops DEPS memlong_tensor_emulated LIBS memlong::dnnl OpenMP::OpenMP_CXX)
