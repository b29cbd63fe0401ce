// A few rows of one kv head, as in decoding: keys and values are read once, in place, as they lie.
#pragma once

#include <cstdint>

#include "ops/cpu/attention_keys.h"
#include "tensor/dtype.h"

namespace memlong::ops::cpu {

inline constexpr int64_t kThinRows = 8;    ///< at most so many rows
inline constexpr int64_t kThinKeys = 256;  ///< keys scored at once

/// What one stretch of keys gave; stretches are merged in a fixed order.
struct ThinPart {
  float largest[kThinRows];
  float total[kThinRows];
  float sums[kThinRows][kMaxHeadDim];
};

/// Rows of one kv head, [rows, dim].
template <class T>
struct ThinQueries {
  const T* data;  ///< row r at data + r * stride, padded with zeros
  int64_t stride;
  int64_t rows;
  int64_t dim;
  float scale;              ///< of the scores
  const int64_t* position;  ///< of a row: the last local key that it may read
};

/// Queries are padded to so many elements.
inline constexpr int64_t kThinDim = 32;

/// Keys [begin, end) into `part`, which is overwritten; a row may read key i where not `causal`
/// or i <= its position. A row that may read none gets largest = -inf and total = 0.
void thin_attention(const ThinQueries<float>& queries, const KeyRows<float>& k,
                    const KeyRows<float>& v, int64_t begin, int64_t end, bool causal,
                    ThinPart& part);
void thin_attention(const ThinQueries<bf16>& queries, const KeyRows<bf16>& k,
                    const KeyRows<bf16>& v, int64_t begin, int64_t end, bool causal,
                    ThinPart& part);

/// Adds `from` to `to`.
void merge(const ThinPart& from, int64_t rows, int64_t dim, ThinPart& to);

}  // namespace memlong::ops::cpu
