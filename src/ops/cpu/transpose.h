// A 16 x 16 square of 32-bit words turned in registers.
#pragma once

#include <utility>

#include "ops/cpu/vec.h"

namespace memlong::ops::cpu {
namespace detail {

/// Lane l of the first result is b's lane l - S where l has bit S, else a's lane l.
template <int S, int... L>
VecInt low_mask(std::integer_sequence<int, L...> /*lanes*/) {
  return VecInt{((L & S) != 0 ? 16 + L - S : L)...};
}
template <int S, int... L>
VecInt high_mask(std::integer_sequence<int, L...> /*lanes*/) {
  return VecInt{((L & S) != 0 ? 16 + L : L + S)...};
}

template <int S>
VecWord low_half(VecWord a, VecWord b) {
  return __builtin_shuffle(a, b, low_mask<S>(std::make_integer_sequence<int, 16>()));
}
template <int S>
VecWord high_half(VecWord a, VecWord b) {
  return __builtin_shuffle(a, b, high_mask<S>(std::make_integer_sequence<int, 16>()));
}

/// Swaps the off-diagonal squares of side S.
template <int S>
void exchange(VecWord (&rows)[16]) {
  for (int i = 0; i < 16; ++i) {
    if ((i & S) != 0) continue;
    const VecWord a = rows[i];
    const VecWord b = rows[i + S];
    rows[i] = low_half<S>(a, b);
    rows[i + S] = high_half<S>(a, b);
  }
}

/// rows[i] and rows[i + S], each lane with the one S away.
template <int S>
void fold(Vec (&rows)[16]) {
  for (int i = 0; i < S; ++i) {
    const auto a = bits_as<VecWord>(rows[i]);
    const auto b = bits_as<VecWord>(rows[i + S]);
    rows[i] = bits_as<Vec>(low_half<S>(a, b)) + bits_as<Vec>(high_half<S>(a, b));
  }
}

}  // namespace detail

inline void transpose(VecWord (&rows)[16]) {
  detail::exchange<8>(rows);
  detail::exchange<4>(rows);
  detail::exchange<2>(rows);
  detail::exchange<1>(rows);
}

/// Lane i of the result is the sum of rows[i]. Overwrites rows.
inline Vec sums_of(Vec (&rows)[16]) {
  detail::fold<8>(rows);
  detail::fold<4>(rows);
  detail::fold<2>(rows);
  detail::fold<1>(rows);
  return rows[0];
}

}  // namespace memlong::ops::cpu
