# One place for compiler flags and for the shape of a target.
set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/bin)

if(PROJECT_IS_TOP_LEVEL)
  find_program(CCACHE_PROGRAM ccache)
  if(CCACHE_PROGRAM AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
    # Clones share what they compile; without the sloppiness nothing is kept that was compiled with a
    # precompiled header.
    set(CMAKE_CXX_COMPILER_LAUNCHER ${CMAKE_COMMAND} -E env CCACHE_SLOPPINESS=pch_defines,time_macros
      CCACHE_BASEDIR=${PROJECT_SOURCE_DIR} CCACHE_NOHASHDIR=1 CCACHE_ABSSTDERR=1 ${CCACHE_PROGRAM})
  endif()
endif()

# What our headers need of whoever includes them, in other projects too.
add_library(memlong_base INTERFACE)
add_library(memlong::base ALIAS memlong_base)
target_include_directories(memlong_base INTERFACE
  $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/src> $<INSTALL_INTERFACE:include/memlong>)
target_compile_features(memlong_base INTERFACE cxx_std_20)

# What our own code is compiled with, and nobody else's: linked privately, never installed. No public
# header depends on the processor that it is compiled for.
add_library(memlong_flags INTERFACE)
# memlong_flag(option...): for g++; nvcc has its own in Cuda.cmake.
function(memlong_flag)
  foreach(flag ${ARGN})
    target_compile_options(memlong_flags INTERFACE $<$<COMPILE_LANGUAGE:CXX>:${flag}>)
  endforeach()
endfunction()
memlong_flag(-Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor -Werror=return-type -fno-math-errno
  -fopenmp-simd)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  # False alarms inside libstdc++'s std::string (GCC bug 105651).
  memlong_flag(-Wno-restrict)
endif()
if(MEMLONG_NATIVE)
  memlong_flag(-march=native)
endif()
set(MEMLONG_TEST_SECONDS 600)  # the longest that one test may take
if(MEMLONG_SANITIZE)
  set(MEMLONG_TEST_SECONDS 1800)
  set(sanitizer_options ${CMAKE_CURRENT_LIST_DIR}/sanitizer_options.cpp)
  memlong_flag(-fsanitize=${MEMLONG_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer -g1)
  target_link_options(memlong_flags INTERFACE -fsanitize=${MEMLONG_SANITIZE})
  target_compile_definitions(memlong_flags INTERFACE MEMLONG_SANITIZED=1)
endif()

# memlong_library(name DEPS folder... LIBS private-library... SHOWS library... HEADERS header...): a static
# library of one folder of src/. SHOWS: libraries that its own headers include. HEADERS: those that
# other projects begin with; they are installed with all that they include (Package.cmake).
function(memlong_library name)
  cmake_parse_arguments(ARG "" "" "DEPS;LIBS;SHOWS;HEADERS" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS *.cpp cpu/*.cpp)
  if(MEMLONG_HAS_CUDA)
    file(GLOB device_sources CONFIGURE_DEPENDS cuda/*.cu cuda/*.cpp)
    list(APPEND sources ${device_sources})
  endif()
  add_library(memlong_${name} STATIC ${sources})
  target_link_libraries(memlong_${name} PUBLIC memlong_base ${ARG_SHOWS}
    PRIVATE $<BUILD_INTERFACE:memlong_flags> ${ARG_LIBS})
  if(MEMLONG_SANITIZE AND NOT name STREQUAL "ops")
    # It compiles a quarter faster, and the time of tests goes into ops.
    target_compile_options(memlong_${name} PRIVATE $<$<NOT:$<CONFIG:Debug>>:-O1>)
  endif()
  if(device_sources)
    target_link_libraries(memlong_${name} PRIVATE ${MEMLONG_CUDA_LIBRARIES})
  endif()
  foreach(dep ${ARG_DEPS})
    target_link_libraries(memlong_${name} PUBLIC memlong_${dep})
  endforeach()
  if(ARG_HEADERS)
    add_library(memlong::${name} ALIAS memlong_${name})
    set_target_properties(memlong_${name} PROPERTIES EXPORT_NAME ${name})
    list(TRANSFORM ARG_HEADERS PREPEND ${name}/)
    set_property(GLOBAL APPEND PROPERTY MEMLONG_PARTS memlong_${name})
    set_property(GLOBAL APPEND PROPERTY MEMLONG_HEADERS ${ARG_HEADERS})
  endif()
endfunction()

# memlong_test_code(target): what files of tests are compiled with.
function(memlong_test_code target)
  # Compiling a test takes longer than running it; what is tested is optimized as ever.
  target_compile_options(${target} PRIVATE $<$<AND:$<COMPILE_LANGUAGE:CXX>,$<NOT:$<CONFIG:Debug>>>:-O1>)
  target_link_libraries(${target} PRIVATE test_support)
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    target_precompile_headers(${target} REUSE_FROM test_support)
  endif()
endfunction()

# memlong_test(folder DEPS folder... LIBS library...): one test executable for a folder of tests/.
function(memlong_test name)
  cmake_parse_arguments(ARG "" "" "DEPS;LIBS" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS *.cpp)
  if(NOT sources)
    return()
  endif()
  add_executable(${name}_test ${sources} ${sanitizer_options})
  target_include_directories(${name}_test PRIVATE ${PROJECT_SOURCE_DIR}/tests)
  memlong_test_code(${name}_test)
  target_link_libraries(${name}_test PRIVATE ${ARG_LIBS} GTest::gmock GTest::gtest_main)
  foreach(dep ${ARG_DEPS})
    target_link_libraries(${name}_test PRIVATE memlong_${dep})
  endforeach()
  target_link_libraries(${name}_test PRIVATE memlong_flags)
  gtest_discover_tests(${name}_test DISCOVERY_MODE PRE_TEST PROPERTIES LABELS ${name}
    TIMEOUT ${MEMLONG_TEST_SECONDS} ENVIRONMENT GOMP_SPINCOUNT=1000)
endfunction()

# memlong_tool(name DEPS folder... LIBS library...): the executable memlong-<name> of the folder. All but
# its main() is the library memlong_<name>_tool, so that tests can call it.
function(memlong_tool name)
  cmake_parse_arguments(ARG "" "" "DEPS;LIBS" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS *.cpp)
  list(FILTER sources EXCLUDE REGEX "/main\\.cpp$")
  add_library(memlong_${name}_tool STATIC ${sources})
  target_link_libraries(memlong_${name}_tool PUBLIC memlong_tools PRIVATE memlong_flags PUBLIC ${ARG_LIBS})
  foreach(dep ${ARG_DEPS})
    target_link_libraries(memlong_${name}_tool PUBLIC memlong_${dep})
  endforeach()
  add_executable(memlong-${name} main.cpp ${sanitizer_options})
  target_link_libraries(memlong-${name} PRIVATE memlong_${name}_tool memlong_flags)
  if(MEMLONG_INSTALL)
    install(TARGETS memlong-${name})
  endif()
endfunction()
