// Where the keys or the values of one kv head lie.
#pragma once

#include <cstdint>

namespace memlong::ops::cpu {

inline constexpr int64_t kMaxHeadDim = 256;
inline constexpr int64_t kKeyBlock = 128;  ///< keys scored at once

/// Row i is D elements at data + i * stride.
template <class T>
struct KeyRows {
  const T* data = nullptr;
  int64_t stride = 0;
  [[nodiscard]] const T* row(int64_t i) const { return data + i * stride; }
};

}  // namespace memlong::ops::cpu
