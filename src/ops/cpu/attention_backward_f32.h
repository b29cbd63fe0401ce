// The five products of attention's gradient in f32, for both dtypes, on any processor.
//
// As in attention_block.h, scores lie transposed, [key, row], rows across the lanes:
//   weights = exp(scale k q^T - lse)     dv += weights dout
//   slopes  = weights (v dout^T - delta) dk += slopes q, dq^T += k^T slopes     (scale comes last)
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>

#include "ops/cpu/attention_backward_rows.h"
#include "ops/cpu/block_gemm.h"
#include "ops/cpu/convert.h"

namespace memlong::ops::cpu {

template <class T>
class F32BackwardProducts {
 public:
  using Element = T;
  static int64_t row_stride(int64_t rows) { return round_up(rows, kLanes); }
  /// Floats that a block of query rows keeps.
  static int64_t query_floats(int64_t row_stride, int64_t dim) {
    return RowTerms::floats(row_stride) + (2 * dim + 3 * round_up(dim, kLanes)) * row_stride;
  }
  /// Floats of working memory.
  static int64_t floats(int64_t row_stride, int64_t dim) {
    return kKeyBlock * (2 * dim + 2 * round_up(dim, kLanes) + 2 * row_stride);
  }

  F32BackwardProducts(float* memory, int64_t row_stride, int64_t dim, float scale)
      : row_stride_(row_stride),
        dim_(dim),
        dim_stride_(round_up(dim, kLanes)),
        scale_(scale),
        keys_(memory),
        values_(keys_ + kKeyBlock * dim),
        dk_(values_ + kKeyBlock * dim),
        dv_(dk_ + kKeyBlock * dim_stride_),
        weights_(dv_ + kKeyBlock * dim_stride_),
        slopes_(weights_ + kKeyBlock * row_stride) {}

  /// q, dout of row i at q[i], dout[i].
  void set_rows(float* queries, std::span<const T* const> q, std::span<const T* const> dout) const {
    const Rows to = parts(queries);
    std::fill_n(to.q_turned, to.dq + dim_stride_ * row_stride_ - to.q_turned, 0.0F);
    for (size_t i = 0; i < q.size(); ++i) {
      const auto row = static_cast<int64_t>(i);
      for (int64_t d = 0; d < dim_; ++d) {
        to.q_turned[d * row_stride_ + row] = to.q[row * dim_stride_ + d] = to_float(q[i][d]);
        to.dout_turned[d * row_stride_ + row] = to.dout[row * dim_stride_ + d] =
            to_float(dout[i][d]);
      }
    }
  }

  /// The keys that pair() reads until the next call; their gradients start at zero.
  void set_keys(const KeyRows<T>& k, const KeyRows<T>& v, int64_t begin, int64_t count) {
    for (int64_t i = 0; i < count; ++i) {
      row_to_f32<T>(k.row(begin + i), keys_ + i * dim_, dim_);
      row_to_f32<T>(v.row(begin + i), values_ + i * dim_, dim_);
    }
    std::fill_n(dk_, count * dim_stride_, 0.0F);
    std::fill_n(dv_, count * dim_stride_, 0.0F);
  }

  /// One block of rows with the first `count` keys. Where `causal`, key i is number `begin` + i of
  /// the window and read only by rows at that position or later.
  void pair(float* queries, int64_t rows, int64_t begin, int64_t count, bool causal, Wanted want) {
    const Rows at = parts(queries);
    const int64_t columns = row_stride(rows);
    const auto times = [&](const float* left, const float* right, float* to) {
      block_gemm({left, dim_, 1}, right, row_stride_, dim_, to, row_stride_, count, columns, false);
    };
    times(keys_, at.q_turned, weights_);
    times(values_, at.dout_turned, slopes_);
    if (causal) {
      weigh<true>(at.terms, columns, begin, count);
    } else {
      weigh<false>(at.terms, columns, begin, count);
    }
    const auto add = [&](const float* left, const float* right, float* to) {
      block_gemm({left, row_stride_, 1}, right, dim_stride_, rows, to, dim_stride_, count,
                 dim_stride_, true);
    };
    if (want.keys) add(weights_, at.dout, dv_);
    if (want.keys) add(slopes_, at.q, dk_);
    if (want.queries) {
      block_gemm({keys_, 1, dim_}, slopes_, row_stride_, count, at.dq, row_stride_, dim_, columns,
                 true);
    }
  }

  /// Not yet scaled, dim floats.
  [[nodiscard]] const float* dk(int64_t key) const { return dk_ + key * dim_stride_; }
  [[nodiscard]] const float* dv(int64_t key) const { return dv_ + key * dim_stride_; }
  /// [round_up(dim, kLanes), row_stride], not yet scaled.
  [[nodiscard]] const float* dq(float* queries) const { return parts(queries).dq; }

 private:
  struct Rows {
    RowTerms terms;
    float* q_turned;     // [dim, row_stride]
    float* dout_turned;  // [dim, row_stride]
    float* q;            // [row_stride, dim_stride]
    float* dout;         // [row_stride, dim_stride]
    float* dq;           // [dim_stride, row_stride]
  };

  Rows parts(float* queries) const {
    Rows rows;
    rows.terms = RowTerms(queries, row_stride_);
    rows.q_turned = queries + RowTerms::floats(row_stride_);
    rows.dout_turned = rows.q_turned + dim_ * row_stride_;
    rows.q = rows.dout_turned + dim_ * row_stride_;
    rows.dout = rows.q + dim_stride_ * row_stride_;
    rows.dq = rows.dout + dim_stride_ * row_stride_;
    return rows;
  }

  template <bool kCausal>
  void weigh(const RowTerms& terms, int64_t columns, int64_t begin, int64_t count) {
    for (int64_t row = 0; row < columns; row += kLanes) {
      const RowLanes lanes(terms, row);
      for (int64_t i = 0; i < count; ++i) {
        float* weight = weights_ + i * row_stride_ + row;
        float* slope = slopes_ + i * row_stride_ + row;
        const Vec p = lanes.weight<kCausal>(load(weight) * scale_, begin + i);
        store(weight, p);
        store(slope, p * (load(slope) - lanes.delta));
      }
    }
  }

  int64_t row_stride_;
  int64_t dim_;
  int64_t dim_stride_;
  float scale_;
  float* keys_;     // [kKeyBlock, dim]
  float* values_;   // [kKeyBlock, dim]
  float* dk_;       // [kKeyBlock, dim_stride]
  float* dv_;       // [kKeyBlock, dim_stride]
  float* weights_;  // [kKeyBlock, row_stride]: scores, then weights
  float* slopes_;   // [kKeyBlock, row_stride]
};

}  // namespace memlong::ops::cpu
