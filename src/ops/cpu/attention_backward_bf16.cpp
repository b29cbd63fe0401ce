#include "ops/cpu/attention_backward_bf16.h"

#include <algorithm>
#include <cstring>

#include "ops/cpu/bf16_pack.h"

namespace memlong::ops::cpu {

int64_t Bf16BackwardProducts::row_stride(int64_t rows) { return bf16_extent(rows); }

int64_t Bf16BackwardProducts::query_floats(int64_t row_stride, int64_t dim) {
  return RowTerms::floats(row_stride) + 3 * bf16_extent(dim) * row_stride;
}

int64_t Bf16BackwardProducts::floats(int64_t row_stride, int64_t dim) {
  // In order of the members: f32 sums, scores and slopes, pairs; then bf16, two to a float.
  return kKeyBlock * (2 * bf16_extent(dim) + 2 * row_stride + row_stride / 2) +
         kKeyBlock * (2 * row_stride + 3 * bf16_extent(dim)) / 2;
}

Bf16BackwardProducts::Bf16BackwardProducts(float* memory, int64_t row_stride, int64_t dim,
                                           float scale)
    : row_stride_(row_stride),
      dim_(dim),
      dim_stride_(bf16_extent(dim)),
      scale_(scale),
      dk_(memory),
      dv_(dk_ + kKeyBlock * dim_stride_),
      scores_(dv_ + kKeyBlock * dim_stride_),
      raw_slopes_(scores_ + kKeyBlock * row_stride),
      slope_pairs_(reinterpret_cast<uint32_t*>(raw_slopes_ + kKeyBlock * row_stride)),
      weights_(reinterpret_cast<bf16*>(slope_pairs_ + kKeyBlock / 2 * row_stride)),
      slopes_(weights_ + kKeyBlock * row_stride),
      keys_(slopes_ + kKeyBlock * row_stride),
      values_(keys_ + kKeyBlock * dim_stride_),
      turned_keys_(values_ + kKeyBlock * dim_stride_) {}

Bf16BackwardProducts::Rows Bf16BackwardProducts::parts(float* queries) const {
  const int64_t words = dim_stride_ / 2 * row_stride_;
  Rows rows;
  rows.terms = RowTerms(queries, row_stride_);
  rows.q_turned = reinterpret_cast<uint32_t*>(queries + RowTerms::floats(row_stride_));
  rows.dout_turned = rows.q_turned + words;
  rows.q = rows.dout_turned + words;
  rows.dout = rows.q + words;
  rows.dq = reinterpret_cast<float*>(rows.dout + words);
  return rows;
}

void Bf16BackwardProducts::set_rows(float* queries, std::span<const bf16* const> q,
                                    std::span<const bf16* const> dout) const {
  const Rows to = parts(queries);
  const auto count = static_cast<int64_t>(q.size());
  turn_pairs(q, dim_, to.q_turned, row_stride_);
  turn_pairs(dout, dim_, to.dout_turned, row_stride_);
  pair_rows(q, dim_, to.q, dim_stride_);
  pair_rows(dout, dim_, to.dout, dim_stride_);
  for (int64_t d = 0; d < dim_stride_; ++d) {
    std::fill_n(to.dq + d * row_stride_, bf16_extent(count), 0.0F);
  }
}

void Bf16BackwardProducts::set_keys(const KeyRows<bf16>& k, const KeyRows<bf16>& v, int64_t begin,
                                    int64_t count) {
  left_keys_ = left_rows(k, begin, count, dim_, keys_);
  left_values_ = left_rows(v, begin, count, dim_, values_);
  turn_rows(k, begin, count, dim_, turned_keys_, kKeyBlock);
  std::fill_n(dk_, bf16_extent(count) * dim_stride_, 0.0F);
  std::fill_n(dv_, bf16_extent(count) * dim_stride_, 0.0F);
}

/// scores_, raw_slopes_ into weights_, slopes_, slope_pairs_; keys from `count` on get zeros.
template <bool kCausal>
void Bf16BackwardProducts::weigh(const RowTerms& terms, int64_t columns, int64_t begin,
                                 int64_t count) {
  for (int64_t row = 0; row < columns; row += kLanes) {
    const RowLanes lanes(terms, row);
    for (int64_t i = 0; i < bf16_extent(count); i += 2) {
      Vec weight[2] = {};
      Vec slope[2] = {};
      for (int64_t j = 0; j < 2 && i + j < count; ++j) {
        const int64_t at = (i + j) * row_stride_ + row;
        weight[j] = lanes.weight<kCausal>(load(scores_ + at) * scale_, begin + i + j);
        slope[j] = weight[j] * (load(raw_slopes_ + at) - lanes.delta);
      }
      const auto write = [&](VecWord halves, bf16* to) {
        std::memcpy(static_cast<void*>(to + i * row_stride_ + row), &halves, sizeof(halves) / 2);
        std::memcpy(static_cast<void*>(to + (i + 1) * row_stride_ + row),
                    reinterpret_cast<const char*>(&halves) + sizeof(halves) / 2,
                    sizeof(halves) / 2);
      };
      write(round_halves(weight[0], weight[1]), weights_);
      const VecWord halves = round_halves(slope[0], slope[1]);
      write(halves, slopes_);
      const VecWord pairs = interleave(halves);
      std::memcpy(slope_pairs_ + i / 2 * row_stride_ + row, &pairs, sizeof(pairs));
    }
  }
}

void Bf16BackwardProducts::pair(float* queries, int64_t rows, int64_t begin, int64_t count,
                                bool causal, Wanted want) {
  const Rows at = parts(queries);
  const int64_t columns = bf16_extent(rows);
  const int64_t keys = bf16_extent(count);
  bf16_gemm({left_keys_.data, left_keys_.stride, at.q_turned, row_stride_, scores_, row_stride_},
            keys, columns, dim_stride_, false);
  bf16_gemm({left_values_.data, left_values_.stride, at.dout_turned, row_stride_, raw_slopes_,
             row_stride_},
            keys, columns, dim_stride_, false);
  if (causal) {
    weigh<true>(at.terms, columns, begin, count);
  } else {
    weigh<false>(at.terms, columns, begin, count);
  }
  if (want.keys) {
    bf16_gemm({weights_, row_stride_, at.dout, dim_stride_, dv_, dim_stride_}, keys, dim_stride_,
              columns, true);
    bf16_gemm({slopes_, row_stride_, at.q, dim_stride_, dk_, dim_stride_}, keys, dim_stride_,
              columns, true);
  }
  if (want.queries) {
    bf16_gemm({turned_keys_, kKeyBlock, slope_pairs_, row_stride_, at.dq, row_stride_}, dim_stride_,
              columns, keys, true);
  }
}

}  // namespace memlong::ops::cpu
