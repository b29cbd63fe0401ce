#include "support/cuda_emulation/large_run.h"

#include <algorithm>

namespace cuda_emulation {
namespace {

LargeRun*& slot() {
  static LargeRun* current = nullptr;
  return current;
}

}  // namespace

LargeRun::LargeRun(size_t blocks) : blocks_(blocks) { slot() = this; }
LargeRun::~LargeRun() { slot() = nullptr; }
LargeRun* LargeRun::current() { return slot(); }

std::vector<size_t> LargeRun::chosen(size_t count) const {
  std::vector<size_t> blocks;
  for (size_t i = 0; i < std::min(blocks_, count); ++i) blocks.push_back(i);
  for (size_t i = std::max(blocks_, count - std::min(blocks_, count)); i < count; ++i) {
    blocks.push_back(i);
  }
  return blocks;
}

}  // namespace cuda_emulation
