// What the gradient of attention needs of each query row, rows across the lanes.
#pragma once

#include <cmath>
#include <cstdint>

#include "ops/cpu/attention_keys.h"
#include "ops/cpu/vec.h"

namespace memlong::ops::cpu {

/// Which gradients a pass computes.
struct Wanted {
  bool queries;
  bool keys;
};

/// Three arrays of row_stride floats.
struct RowTerms {
  float* lse = nullptr;       ///< infinity: no such row, all its weights are 0
  float* delta = nullptr;     ///< dout . out
  float* position = nullptr;  ///< in the window

  static int64_t floats(int64_t row_stride) { return 3 * row_stride; }
  RowTerms() = default;
  RowTerms(float* memory, int64_t row_stride)
      : lse(memory), delta(memory + row_stride), position(memory + 2 * row_stride) {}
};

/// Sixteen rows of RowTerms.
struct RowLanes {
  Vec lse;
  Vec delta;
  Vec position;

  RowLanes(const RowTerms& terms, int64_t row)
      : lse(load(terms.lse + row)),
        delta(load(terms.delta + row)),
        position(load(terms.position + row)) {}

  /// A score as the softmax weighs it; 0 where `kCausal` and the key is later than the row.
  template <bool kCausal>
  [[nodiscard]] Vec weight(Vec score, int64_t key) const {
    const Vec weight = exp(score - lse);
    if constexpr (!kCausal) return weight;
    return broadcast(static_cast<float>(key)) > position ? Vec{} : weight;
  }
};

}  // namespace memlong::ops::cpu
