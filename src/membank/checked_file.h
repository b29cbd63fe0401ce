// Files whose trees this process has walked and found sound: a tool opens its bank several times.
#pragma once

#include <cstdint>

namespace memlong::membank {

/// One state of a data file.
struct FileState {
  uint64_t device = 0;
  uint64_t inode = 0;  ///< 0: unknown
  int64_t size = 0;
  int64_t changed = 0;       ///< nanoseconds since 1970
  uint64_t transaction = 0;  ///< its last commit
  bool operator==(const FileState&) const = default;
};

FileState file_state(int fd, uint64_t transaction);

/// Whether this very state was remembered as sound. Thread-safe.
bool known_sound(const FileState& state);

/// Not while the file is so young that a change might not change its time. Thread-safe.
void remember_sound(const FileState& state);

}  // namespace memlong::membank
