// Old bytes in unused room.
#pragma once

#include <filesystem>

namespace memlong::membank {

/// Overwrites with zeros what a freshly compacted data file holds outside of its records: LMDB
/// fills pages anew without clearing them, so bytes of removed records may stand there. `fd` is
/// open for reading and writing. Errors: io, capacity, corrupt.
void scrub_unused(int fd, const std::filesystem::path& path);

}  // namespace memlong::membank
