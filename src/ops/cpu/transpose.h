// A square of 32-bit words, of as many rows as a vector has lanes, turned in registers.
#pragma once

#include <array>
#include <utility>

#include "ops/cpu/vec.h"

namespace memlong::ops::cpu {
namespace detail {

inline constexpr int kCount = kLanes;

using Lanes = std::make_integer_sequence<int, kCount>;

/// Lane l is b's lane l - S where l has bit S, else a's lane l.
template <int S, int... L>
VecWord low_half(VecWord a, VecWord b, std::integer_sequence<int, L...> /*lanes*/) {
  return __builtin_shufflevector(a, b, ((L & S) != 0 ? kCount + L - S : L)...);
}
/// Lane l is b's lane l where l has bit S, else a's lane l + S.
template <int S, int... L>
VecWord high_half(VecWord a, VecWord b, std::integer_sequence<int, L...> /*lanes*/) {
  return __builtin_shufflevector(a, b, ((L & S) != 0 ? kCount + L : L + S)...);
}

/// Swaps the off-diagonal squares of side S.
template <int S>
void exchange(VecWord (&rows)[kLanes]) {
  for (int i = 0; i < kCount; ++i) {
    if ((i & S) != 0) continue;
    const VecWord a = rows[i];
    const VecWord b = rows[i + S];
    rows[i] = low_half<S>(a, b, Lanes());
    rows[i + S] = high_half<S>(a, b, Lanes());
  }
}

/// Lanes of a and b, each with the one S away.
template <int S>
Vec fold(Vec x, Vec y) {
  const auto a = bits_as<VecWord>(x);
  const auto b = bits_as<VecWord>(y);
  return bits_as<Vec>(low_half<S>(a, b, Lanes())) + bits_as<Vec>(high_half<S>(a, b, Lanes()));
}

/// Of rows i, i + S, i + 2 S, ...: folded as soon as two of them are there, so that few are alive.
template <int S, int R, class Fn>
[[gnu::always_inline]] inline std::array<Vec, R> folded(const Fn& row, int64_t i) {
  if constexpr (S == kCount) {
    return row(i);
  } else {
    std::array<Vec, R> low = folded<2 * S, R>(row, i);
    const std::array<Vec, R> high = folded<2 * S, R>(row, i + S);
    for (int r = 0; r < R; ++r) low[r] = fold<S>(low[r], high[r]);
    return low;
  }
}

}  // namespace detail

inline void transpose(VecWord (&rows)[kLanes]) {
  if constexpr (kLanes > 8) detail::exchange<8>(rows);
  if constexpr (kLanes > 4) detail::exchange<4>(rows);
  detail::exchange<2>(rows);
  detail::exchange<1>(rows);
}

/// row(i) gives R vectors for each i below kLanes; lane i of result r is the sum of the r-th.
template <int R, class Fn>
[[gnu::always_inline]] inline std::array<Vec, R> sums_of(const Fn& row) {
  return detail::folded<1, R>(row, 0);
}

}  // namespace memlong::ops::cpu
