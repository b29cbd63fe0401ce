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

# shared_parts(variable target... SOURCES file...): what is compiled alike for a device and for the emulation:
# all but the files of cuda/, since only those include the headers that include/ stands in for. A build
# with CUDA has the objects; without, the SOURCES are compiled again with MEMLONG_WITH_CUDA, but for
# those of cpu/, which do not know it.
function(shared_parts variable)
  cmake_parse_arguments(ARG "" "" "SOURCES" ${ARGN})
  set(kept INCLUDE cpu)
  set(parts ${ARG_SOURCES})
  if(MEMLONG_HAS_CUDA)
    set(kept EXCLUDE cuda)
    set(parts "")
  endif()
  list(JOIN kept ",[.]dir/[./]*" filter)
  foreach(target ${ARG_UNPARSED_ARGUMENTS})
    list(APPEND parts $<FILTER:$<TARGET_OBJECTS:${target}>,${filter}/>)
  endforeach()
  set(${variable} ${parts} PARENT_SCOPE)
endfunction()

# emulated_library(name DEPS library... LIBS private-library...): a part of src/ built as with CUDA. Its kernels
# are compiled for the emulation. What calls a library (cuda/*.cpp of ops) is left out.
function(emulated_library name)
  cmake_parse_arguments(ARG "" "" "DEPS;LIBS" ${ARGN})
  set(folder ${PROJECT_SOURCE_DIR}/src/${name})
  file(GLOB sources CONFIGURE_DEPENDS ${folder}/*.cpp)
  file(GLOB kernels CONFIGURE_DEPENDS ${folder}/cuda/*.cu)
  if(name STREQUAL "tensor")
    file(GLOB runtime CONFIGURE_DEPENDS ${folder}/cuda/*.cpp)
  endif()
  emulated_kernels(${kernels})
  shared_parts(parts memlong_${name} SOURCES ${sources})
  add_library(memlong_${name}_emulated STATIC EXCLUDE_FROM_ALL ${parts} ${kernels} ${runtime})
  set_target_properties(memlong_${name}_emulated PROPERTIES LINKER_LANGUAGE CXX)
  target_link_libraries(memlong_${name}_emulated PUBLIC cuda_emulation ${ARG_DEPS} PRIVATE ${ARG_LIBS})
endfunction()

emulated_library(tensor DEPS memlong_common)
emulated_library(ops DEPS memlong_tensor_emulated LIBS memlong::dnnl OpenMP::OpenMP_CXX)
