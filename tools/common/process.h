// What the operating system knows of this process.
#pragma once

#include <cstdint>

namespace memlong::tools {

/// Bytes of it that lie in memory now; 0 where that cannot be told.
int64_t resident_bytes();

}  // namespace memlong::tools
