# Every third-party package is found here, once. All of them are Debian 12 packages
# (scripts/setup.sh installs them). What the libraries link is in LibraryDependencies.cmake.
if(MEMLONG_FUZZ)
  include(GccOpenMP)
endif()
macro(memlong_find package)
  # GccOpenMP has made that one already.
  if(NOT "${package}" STREQUAL "OpenMP" OR NOT MEMLONG_FUZZ)
    find_package(${package} ${ARGN} REQUIRED)
  endif()
endmacro()
macro(memlong_missing what)
  message(FATAL_ERROR "${what} is missing (scripts/setup.sh installs what is needed)")
endmacro()
include(LibraryDependencies)

find_path(DNNL_INCLUDE_DIR dnnl.hpp REQUIRED)
target_include_directories(memlong::dnnl SYSTEM INTERFACE ${DNNL_INCLUDE_DIR})
if(MEMLONG_TOOLS)
  pkg_check_modules(libedit REQUIRED IMPORTED_TARGET libedit)
endif()
