// How many elements a thread of a row-wise kernel loads at once.
#pragma once

#include <type_traits>

#include "ops/cuda/launch.h"

namespace memlong::ops {

/// Calls fn(std::integral_constant<int, N>{}) with N = 8 where 8 elements of each row of all views
/// can be loaded at once (16 bytes of bf16, twice 16 of f32), else with N = 1.
template <class Fn, class... Views>
void dispatch_width(int64_t columns, Fn&& fn, const Views&... views) {
  if (columns % 8 == 0 && (rows_aligned(views, 16) && ...)) {
    fn(std::integral_constant<int, 8>{});
  } else {
    fn(std::integral_constant<int, 1>{});
  }
}

}  // namespace memlong::ops
