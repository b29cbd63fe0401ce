// Where elements live and where an op runs.
#pragma once

#include <cstdint>

namespace memlong {

enum class Device : uint8_t { cpu, cuda };

#if defined(MEMLONG_WITH_CUDA)
inline constexpr bool kHasCuda = true;
#else
inline constexpr bool kHasCuda = false;
#endif

}  // namespace memlong
