# Writes a header with the commit of SOURCE to OUTPUT; leaves the file alone when nothing changed.
cmake_minimum_required(VERSION 3.25)
set(commit unknown)
execute_process(COMMAND git -C ${SOURCE} describe --always --dirty --abbrev=10
  OUTPUT_VARIABLE described OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET RESULT_VARIABLE failed)
if(NOT failed)
  set(commit ${described})
endif()
file(CONFIGURE OUTPUT ${OUTPUT} CONTENT "#pragma once\n#define MEMLONG_COMMIT \"@commit@\"\n" @ONLY)
