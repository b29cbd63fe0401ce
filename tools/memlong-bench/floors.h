// What the machine itself can do, measured beside the tests that are held against it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include "tensor/context.h"
#include "tensor/tensor.h"
#include "tools/common/matmul_floor.h"
#include "tools/memlong-bench/calls.h"

namespace memlong::bench_tool {

using tools::MatmulFloor;

/// All threads read a block of memory again and again. Of the size that the test itself reads (at
/// least 1 MiB, at most 1 GiB), so that what fits a cache for one fits it for the other, and in
/// memory of the same kind as weights lie in. On a GPU one half of the block is copied to the other
/// by the driver; bytes read and bytes written count.
class ReadFloor {
 public:
  ReadFloor(Context& context, double bytes);
  double bytes_per_second();

 private:
  double read();

  Context& context_;
  Tensor block_;
  std::optional<Calls> copies_;  ///< on a GPU
};

/// One thread copies `bytes` from one place to another.
double copy_bytes_per_second(size_t bytes);

/// Writes a file of `bytes` into the folder and syncs it; the file is removed.
double write_bytes_per_second(const std::filesystem::path& folder, size_t bytes);

/// "Intel(R) Xeon(R) Processor, 2 CPUs"; on a GPU "NVIDIA H100, Intel(R) Xeon(R) Processor, 16
/// CPUs".
std::string machine_name(const Context& context);

}  // namespace memlong::bench_tool
