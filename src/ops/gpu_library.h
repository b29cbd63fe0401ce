// What the operators on GPUs take from a library that need not be there.
#pragma once

#include <string>

namespace memlong::ops {

/// Loads it, if that is not done, and says in one line why it cannot be: "" where it is there, and
/// in a build without CUDA, which needs none. Without this call the first matrix product on a GPU
/// loads it, or fails with that line. Thread-safe.
std::string why_no_gpu_library();

}  // namespace memlong::ops
