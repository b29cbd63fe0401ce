// The k largest of a row of floats.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include "ops/top_k.h"

namespace memlong::ops::cpu {

/// Larger first, then lower index. NaN stands below everything, -inf included.
struct Better {
  bool operator()(const Scored& a, const Scored& b) const {
    const bool a_nan = std::isnan(a.value);
    const bool b_nan = std::isnan(b.value);
    if (a_nan != b_nan) return b_nan;
    if (!a_nan && a.value != b.value) return a.value > b.value;
    return a.index < b.index;
  }
};

/// Whether one of `count` elements is larger than `limit`.
inline bool any_above(const float* x, int64_t count, float limit) {
  int above = 0;
  for (int64_t i = 0; i < count; ++i) above |= x[i] > limit ? 1 : 0;
  return above != 0;
}

/// Best first. Keeps a heap of k whose top is the worst kept; most elements fail one comparison.
inline std::vector<Scored> select_top(std::span<const float> x, int64_t k) {
  const auto size = static_cast<size_t>(std::max<int64_t>(k, 0));
  const Better better;
  std::vector<Scored> heap;
  heap.reserve(std::min(size, x.size()));
  size_t i = 0;
  for (; i < x.size() && heap.size() < size; ++i) heap.push_back({static_cast<int64_t>(i), x[i]});
  if (i == x.size()) {
    std::sort(heap.begin(), heap.end(), better);
    return heap;
  }
  if (heap.empty()) return heap;
  std::make_heap(heap.begin(), heap.end(), better);
  constexpr size_t kStretch = 64;
  for (; i < x.size(); ++i) {
    // A later index loses a tie, so only a strictly larger value enters (or one beside NaN).
    const float worst = heap.front().value;
    if (!(x[i] > worst) && !std::isnan(worst)) {
      while (i + kStretch < x.size() && !any_above(&x[i], kStretch, worst)) i += kStretch;
      while (i < x.size() && !(x[i] > worst)) ++i;
      if (i == x.size()) break;
    }
    const Scored candidate{static_cast<int64_t>(i), x[i]};
    if (!better(candidate, heap.front())) continue;
    std::pop_heap(heap.begin(), heap.end(), better);
    heap.back() = candidate;
    std::push_heap(heap.begin(), heap.end(), better);
  }
  std::sort_heap(heap.begin(), heap.end(), better);
  return heap;
}

}  // namespace memlong::ops::cpu
