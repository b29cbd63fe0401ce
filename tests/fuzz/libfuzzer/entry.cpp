// What libFuzzer calls. Nothing is caught: an exception ends the process where it was thrown, with
// its type, message and stack. MEMLONG_FUZZ_TARGET is the name of a function of targets.h.
#include <cstddef>
#include <cstdint>

#include "fuzz/targets.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  memlong::fuzz::MEMLONG_FUZZ_TARGET({reinterpret_cast<const char*>(data), size});
  return 0;
}
