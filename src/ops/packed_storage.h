// Packed weights in memory that somebody else provides: a file that keeps them from run to run.
#pragma once

#include <cstddef>
#include <memory>
#include <string>

namespace memlong::ops {

/// Asked for a place for one weight after the other, in the order in which they are packed.
/// Not thread-safe.
class PackedStorage {
 public:
  struct Place {
    std::shared_ptr<void> memory;  ///< 64-byte aligned
    bool filled = false;           ///< the packed weight is there; else: zeros
  };
  PackedStorage() = default;
  PackedStorage(const PackedStorage&) = delete;
  PackedStorage& operator=(const PackedStorage&) = delete;
  virtual ~PackedStorage() = default;
  /// `bytes` for the next weight. `layout` says how its elements lie there; a weight of another
  /// layout must not be given as filled.
  virtual Place next(size_t bytes, const std::string& layout) = 0;
};

}  // namespace memlong::ops
