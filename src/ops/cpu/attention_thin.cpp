#include "ops/cpu/attention_thin.h"

#include <algorithm>
#include <cmath>

#include "ops/cpu/transpose.h"
#include "ops/cpu/vec.h"

namespace memlong::ops::cpu {
namespace {

/// R rows at once, so that a key is widened once for all of them.
template <int R, class T>
void score_keys(const float* queries, int64_t query_stride, int64_t dim, const KeyRows<T>& k,
                int64_t begin, int64_t count, float (*scores)[kThinKeys]) {
  for (int64_t first = 0; first < count; first += kLanes) {
    Vec products[R][16];
    for (int64_t i = 0; i < kLanes; ++i) {
      // A missing key repeats the last one; its score is not used.
      const T* key = k.row(begin + std::min(first + i, count - 1));
      Vec sum[R] = {};
      int64_t d = 0;
      for (; d + kLanes <= dim; d += kLanes) {
        const Vec part = load(key + d);
        for (int r = 0; r < R; ++r) sum[r] += part * load(queries + r * query_stride + d);
      }
      if (d < dim) {
        const Vec part = load_part(key + d, dim - d);
        for (int r = 0; r < R; ++r) sum[r] += part * load(queries + r * query_stride + d);
      }
      for (int r = 0; r < R; ++r) products[r][i] = sum[r];
    }
    for (int r = 0; r < R; ++r) store(scores[r] + first, sums_of(products[r]));
  }
}

/// sums[r] += weights[r, i] v[i], C vectors of the head at a time.
template <int R, int C, class T>
void add_values(const float (*weights)[kThinKeys], const KeyRows<T>& v, int64_t begin,
                int64_t count, int64_t d, int64_t left, float (*sums)[kMaxHeadDim]) {
  Vec sum[R][C];
  for (int r = 0; r < R; ++r) {
    for (int c = 0; c < C; ++c) sum[r][c] = load(sums[r] + d + c * kLanes);
  }
  for (int64_t i = 0; i < count; ++i) {
    const T* value = v.row(begin + i) + d;
    Vec part[C];
    for (int c = 0; c < C; ++c) {
      part[c] = C == 1 ? load_part(value, left) : load(value + c * kLanes);
    }
    for (int r = 0; r < R; ++r) {
      for (int c = 0; c < C; ++c) sum[r][c] += weights[r][i] * part[c];
    }
  }
  for (int r = 0; r < R; ++r) {
    for (int c = 0; c < C; ++c) store(sums[r] + d + c * kLanes, sum[r][c]);
  }
}

/// Scores of one row become weights; earlier sums shrink to the new maximum.
void update_row(float* scores, int64_t count, int64_t row, int64_t dim, ThinPart& part) {
  std::fill(scores + count, scores + round_up(count, kLanes), -INFINITY);
  float largest = part.largest[row];
  for (int64_t i = 0; i < count; ++i) largest = std::max(largest, scores[i]);
  if (largest == -INFINITY) {
    std::fill_n(scores, count, 0.0F);
    return;
  }
  Vec sum{};
  for (int64_t i = 0; i < count; i += kLanes) {
    const Vec weight = exp(load(scores + i) - largest);
    store(scores + i, weight);
    sum += weight;
  }
  const float shrink = exp(broadcast(part.largest[row] - largest))[0];
  part.total[row] = part.total[row] * shrink + sum_of(sum);
  part.largest[row] = largest;
  if (shrink == 1.0F) return;
  for (int64_t d = 0; d < dim; ++d) part.sums[row][d] *= shrink;
}

template <int R, class T>
void read_block(const ThinQueries& q, int64_t row, const KeyRows<T>& k, const KeyRows<T>& v,
                int64_t begin, int64_t count, bool causal, ThinPart& part) {
  float scores[R][kThinKeys];
  const int64_t stride = round_up(q.dim, kLanes);
  score_keys<R>(q.data + row * stride, stride, q.dim, k, begin, count, scores);
  for (int r = 0; r < R; ++r) {
    for (int64_t i = 0; causal && i < count; ++i) {
      if (begin + i > q.position[row + r]) scores[r][i] = -INFINITY;
    }
    update_row(scores[r], count, row + r, q.dim, part);
  }
  int64_t d = 0;
  for (; d + 4 * kLanes <= q.dim; d += 4 * kLanes) {
    add_values<R, 4>(scores, v, begin, count, d, 0, part.sums + row);
  }
  for (; d < q.dim; d += kLanes) {
    add_values<R, 1>(scores, v, begin, count, d, q.dim - d, part.sums + row);
  }
}

template <class T>
void attend(const ThinQueries& q, const KeyRows<T>& k, const KeyRows<T>& v, int64_t begin,
            int64_t end, bool causal, ThinPart& part) {
  for (int64_t r = 0; r < q.rows; ++r) {
    part.largest[r] = -INFINITY;
    part.total[r] = 0.0F;
    std::fill_n(part.sums[r], round_up(q.dim, kLanes), 0.0F);
  }
  for (int64_t i = begin; i < end; i += kThinKeys) {
    const int64_t count = std::min(kThinKeys, end - i);
    int64_t row = 0;
    for (; row + 4 <= q.rows; row += 4) read_block<4>(q, row, k, v, i, count, causal, part);
    for (; row + 2 <= q.rows; row += 2) read_block<2>(q, row, k, v, i, count, causal, part);
    for (; row < q.rows; ++row) read_block<1>(q, row, k, v, i, count, causal, part);
  }
}

}  // namespace

void thin_attention(const ThinQueries& queries, const KeyRows<float>& k, const KeyRows<float>& v,
                    int64_t begin, int64_t end, bool causal, ThinPart& part) {
  attend(queries, k, v, begin, end, causal, part);
}

void thin_attention(const ThinQueries& queries, const KeyRows<bf16>& k, const KeyRows<bf16>& v,
                    int64_t begin, int64_t end, bool causal, ThinPart& part) {
  attend(queries, k, v, begin, end, causal, part);
}

void merge(const ThinPart& from, int64_t rows, int64_t dim, ThinPart& to) {
  for (int64_t r = 0; r < rows; ++r) {
    const float largest = std::max(from.largest[r], to.largest[r]);
    if (largest == -INFINITY) continue;
    const float a = std::exp(to.largest[r] - largest);
    const float b = std::exp(from.largest[r] - largest);
    to.largest[r] = largest;
    to.total[r] = to.total[r] * a + from.total[r] * b;
    for (int64_t d = 0; d < dim; ++d) {
      to.sums[r][d] = to.sums[r][d] * a + from.sums[r][d] * b;
    }
  }
}

}  // namespace memlong::ops::cpu
