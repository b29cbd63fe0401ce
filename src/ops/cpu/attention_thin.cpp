#include "ops/cpu/attention_thin.h"

#include <algorithm>
#include <cmath>

#include "ops/cpu/thin_products.h"
#include "ops/cpu/vec.h"

namespace memlong::ops::cpu {
namespace {

/// Scores of one row become weights; earlier sums shrink to the new maximum.
void update_row(float* scores, int64_t count, float scale, int64_t row, int64_t dim,
                ThinPart& part) {
  std::fill(scores + count, scores + round_up(count, kThinDim), -INFINITY);
  Vec most = broadcast(part.largest[row]);
  for (int64_t i = 0; i < count; i += kLanes) {
    const Vec scaled = load(scores + i) * scale;
    store(scores + i, scaled);
    most = max(scaled, most);
  }
  const float largest = max_of(most);
  if (largest == -INFINITY) {
    std::fill_n(scores, round_up(count, kThinDim), 0.0F);
    return;
  }
  Vec sum{};
  for (int64_t i = 0; i < round_up(count, kThinDim); i += kLanes) {
    const Vec weight = exp(load(scores + i) - largest);
    store(scores + i, weight);
    sum += weight;
  }
  const float shrink = exp(broadcast(part.largest[row] - largest))[0];
  part.total[row] = part.total[row] * shrink + sum_of(sum);
  part.largest[row] = largest;
  if (shrink == 1.0F) return;
  for (int64_t d = 0; d < dim; d += kLanes) {
    store(part.sums[row] + d, load(part.sums[row] + d) * shrink);
  }
}

template <int R, class T>
void read_block(const ThinQueries<T>& q, int64_t row, const KeyRows<T>& k, const KeyRows<T>& v,
                int64_t begin, int64_t count, bool causal, ThinPart& part) {
  float scores[R][kThinKeys];
  score_keys<R>(q, row, k, begin, count, scores);
  for (int r = 0; r < R; ++r) {
    const int64_t allowed =
        causal ? std::clamp<int64_t>(q.position[row + r] + 1 - begin, 0, count) : count;
    std::fill(scores[r] + allowed, scores[r] + count, -INFINITY);
    update_row(scores[r], count, q.scale, row + r, q.dim, part);
  }
  add_values<R>(scores, v, begin, count, q.dim, part.sums + row);
}

template <class T>
void attend(const ThinQueries<T>& q, const KeyRows<T>& k, const KeyRows<T>& v, int64_t begin,
            int64_t end, bool causal, ThinPart& part) {
  for (int64_t r = 0; r < q.rows; ++r) {
    part.largest[r] = -INFINITY;
    part.total[r] = 0.0F;
    std::fill_n(part.sums[r], round_up(q.dim, kThinDim), 0.0F);
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

void thin_attention(const ThinQueries<float>& queries, const KeyRows<float>& k,
                    const KeyRows<float>& v, int64_t begin, int64_t end, bool causal,
                    ThinPart& part) {
  attend(queries, k, v, begin, end, causal, part);
}

void thin_attention(const ThinQueries<bf16>& queries, const KeyRows<bf16>& k,
                    const KeyRows<bf16>& v, int64_t begin, int64_t end, bool causal,
                    ThinPart& part) {
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
