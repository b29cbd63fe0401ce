#include "support/cuda_emulation/shared_array.h"

#include <algorithm>
#include <stdexcept>

namespace cuda_emulation {
namespace {

constexpr size_t kMargin = 4096;  // of each array, on both sides

}  // namespace

std::string text_of(const uint3& index) {
  return "(" + std::to_string(index.x) + ", " + std::to_string(index.y) + ", " +
         std::to_string(index.z) + ")";
}

void report(const std::string& what) {
  throw std::runtime_error("CUDA emulation: thread " + text_of(threadIdx) + " of block " +
                           text_of(blockIdx) + ": " + what);
}

SharedArray::SharedArray(size_t bytes) : bytes_(bytes), memory_(bytes + 2 * kMargin + 16) {}

std::byte* SharedArray::data() {
  const auto address = reinterpret_cast<uintptr_t>(memory_.data()) + kMargin;
  return memory_.data() + kMargin + (16 - address % 16) % 16;
}

void SharedArray::fill() { std::ranges::fill(memory_, std::byte{0xFF}); }

void SharedArray::check() {
  std::byte* begin = data();
  const auto untouched = [](std::byte b) { return b == std::byte{0xFF}; };
  if (!std::all_of(memory_.data(), begin, untouched) ||
      !std::all_of(begin + bytes_, memory_.data() + memory_.size(), untouched)) {
    throw std::runtime_error("CUDA emulation: block " + text_of(blockIdx) + " wrote outside its " +
                             std::to_string(bytes_) + " bytes of shared memory");
  }
}

}  // namespace cuda_emulation
