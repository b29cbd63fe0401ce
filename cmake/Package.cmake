# What `cmake --install` puts in place besides the programs: settings of well-known models and, for other
# projects, libraries, headers and the package that find_package(memlong) reads (docs/library.md).
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

# Found from the installed programs (tools/common/model_options.cpp).
install(DIRECTORY configs/ DESTINATION share/memlong/configs)

# Libraries with a sanitizer in them are of no use to anybody else.
if(MEMLONG_SANITIZE)
  return()
endif()
get_property(parts GLOBAL PROPERTY MEMLONG_PARTS)
get_property(headers GLOBAL PROPERTY MEMLONG_HEADERS)
set(package ${CMAKE_INSTALL_LIBDIR}/cmake/memlong)

install(TARGETS memlong_base ${parts} EXPORT memlong ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
set_target_properties(memlong_base PROPERTIES EXPORT_NAME base)
install(EXPORT memlong NAMESPACE memlong:: FILE memlong-targets.cmake DESTINATION ${package})
install(CODE "set(source \"${PROJECT_SOURCE_DIR}/src\")
set(headers \"${headers}\")
set(target \"\${CMAKE_INSTALL_PREFIX}/include/memlong\")"
  SCRIPT ${CMAKE_CURRENT_LIST_DIR}/install_headers.cmake)

configure_package_config_file(${CMAKE_CURRENT_LIST_DIR}/memlong-config.cmake.in
  ${PROJECT_BINARY_DIR}/memlong-config.cmake INSTALL_DESTINATION ${package}
  NO_SET_AND_CHECK_MACRO NO_CHECK_REQUIRED_COMPONENTS_MACRO)
# Before 1.0 a minor version may change anything.
write_basic_package_version_file(${PROJECT_BINARY_DIR}/memlong-config-version.cmake
  COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/memlong-config.cmake ${PROJECT_BINARY_DIR}/memlong-config-version.cmake
  ${CMAKE_CURRENT_LIST_DIR}/LibraryDependencies.cmake DESTINATION ${package})
