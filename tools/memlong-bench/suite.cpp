#include "tools/memlong-bench/suite.h"

#include <stdlib.h>

#include "common/error.h"

namespace memlong::bench_tool {

namespace fs = std::filesystem;

ScratchFolder::ScratchFolder(const fs::path& parent) {
  std::string pattern = (parent / "memlong-bench-XXXXXX").string();
  if (mkdtemp(pattern.data()) == nullptr) fail_errno("cannot create a folder in", parent.string());
  path_ = pattern;
}

ScratchFolder::~ScratchFolder() {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

void Bench::add(const Measurement& measurement) {
  rows.push_back(measure(measurement, arguments.repeat, progress));
}

tools::MatmulFloor Bench::matmul_floor() const {
  return {context, network.weights->dtype, arguments.matmul_side};
}

std::string test_name(const std::string& kind, const TestSize& size) {
  std::string name = kind + std::to_string(size.tokens);
  if (size.streams > 0) name += "x" + std::to_string(size.streams);
  if (size.depth > 0) name += "@" + std::to_string(size.depth);
  if (size.memory > 0) name += "+m" + std::to_string(size.memory);
  return name;
}

}  // namespace memlong::bench_tool
