// The shared memory of a block, and the words for who did what.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "support/cuda_emulation/include/cuda_device.h"

namespace cuda_emulation {

std::string text_of(const uint3& index);  ///< "(1, 0, 0)"

/// Shared memory with margins that show writes outside of it. NaN at first.
class SharedArray {
 public:
  explicit SharedArray(size_t bytes);
  std::byte* data();  ///< 16-byte aligned
  void fill();
  void check();  ///< throws when a margin was written

 private:
  size_t bytes_;
  std::vector<std::byte> memory_;
};

}  // namespace cuda_emulation
