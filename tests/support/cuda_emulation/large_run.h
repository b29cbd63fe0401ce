// For shapes that are too large to run: device memory is address space that holds zeros, and of
// each launch only the blocks at both ends are run.
#pragma once

#include <cstddef>
#include <vector>

#include "support/cuda_emulation/emulation.h"

namespace cuda_emulation {

struct Launch {
  Extent grid;
  Extent block;
  size_t shared_bytes;
};

/// While one lives, all launches are run so, and noted. One at a time; memory that is allocated
/// while it lives must be released before it goes.
class LargeRun {
 public:
  /// Of each launch the first and the last `blocks` are run; 0: none.
  explicit LargeRun(size_t blocks);
  ~LargeRun();
  LargeRun(const LargeRun&) = delete;
  LargeRun& operator=(const LargeRun&) = delete;

  [[nodiscard]] const std::vector<Launch>& launches() const { return launches_; }
  void forget() { launches_.clear(); }

  // For the emulation:
  static LargeRun* current();
  void note(const Launch& launch) { launches_.push_back(launch); }
  /// Those that are run, of `count`.
  [[nodiscard]] std::vector<size_t> chosen(size_t count) const;

 private:
  size_t blocks_;
  std::vector<Launch> launches_;
};

}  // namespace cuda_emulation
