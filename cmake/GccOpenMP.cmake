# GCC's OpenMP for a build with clang. FAISS is linked to it and takes locks from omp.h in its
# headers; those of clang's own library have another size.
foreach(file include/omp.h libgomp.so)
  execute_process(COMMAND g++ -print-file-name=${file} OUTPUT_VARIABLE found
    OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)
  if(NOT IS_ABSOLUTE "${found}")
    message(FATAL_ERROR "g++ has no ${file}")
  endif()
  list(APPEND gcc_openmp "${found}")
endforeach()
list(GET gcc_openmp 0 gcc_openmp_header)
list(GET gcc_openmp 1 gcc_openmp_library)
file(READ ${gcc_openmp_header} text)
string(REGEX REPLACE "__malloc__ \\([^)]*\\)" "__malloc__" text "${text}")  # clang knows no arguments
file(CONFIGURE OUTPUT ${CMAKE_BINARY_DIR}/gcc-openmp/omp.h CONTENT "${text}" @ONLY)
add_library(OpenMP::OpenMP_CXX INTERFACE IMPORTED GLOBAL)
target_include_directories(OpenMP::OpenMP_CXX INTERFACE ${CMAKE_BINARY_DIR}/gcc-openmp)
target_link_libraries(OpenMP::OpenMP_CXX INTERFACE ${gcc_openmp_library})
