// Many queries of one kv head against blocks of keys, with a running softmax.
//
// A row is a pair (query, head of the group). Everything lies transposed, rows across the lanes:
//   scores[key, row] = k[key] . q[row]        sums[d, row] += v[key, d] weight[key, row]
// so neither keys nor scores have to be turned.
#pragma once

#include <algorithm>
#include <cstdint>

#include "ops/cpu/attention_keys.h"
#include "ops/cpu/running_softmax.h"
#include "ops/cpu/vec.h"

namespace memlong::ops::cpu {

/// Products: F32Products<T> or Bf16Products.
template <class Products>
class AttentionBlock {
 public:
  using T = typename Products::Element;
  /// Floats of working memory for `rows` rows.
  static int64_t floats(int64_t rows, int64_t dim) {
    const int64_t stride = Products::row_stride(rows);
    return RunningSoftmax::floats(stride) + kKeyBlock * stride + sum_rows(dim) * stride +
           Products::floats(stride, dim);
  }

  AttentionBlock(float* memory, int64_t rows, int64_t dim, float scale)
      : stride_(Products::row_stride(rows)),
        dim_(dim),
        scores_(memory),
        sums_(scores_ + kKeyBlock * stride_),
        softmax_(sums_ + sum_rows(dim) * stride_, stride_, scale),
        products_(sums_ + sum_rows(dim) * stride_ + RunningSoftmax::floats(stride_), stride_, dim) {
    std::fill_n(sums_, sum_rows(dim) * stride_, 0.0F);
  }

  void set_row(int64_t row, const T* query, int64_t position) {
    products_.set_query(row, query);
    softmax_.set_position(row, position);
  }

  /// Reads keys [begin, end); key i is masked where `causal` and i > the row's position.
  void read(const KeyRows<T>& k, const KeyRows<T>& v, int64_t begin, int64_t end, bool causal) {
    for (int64_t i = begin; i < end; i += kKeyBlock) {
      const int64_t count = std::min(kKeyBlock, end - i);
      products_.score(k, i, count, scores_);
      if (softmax_.update(scores_, i, count, causal)) shrink_sums();
      products_.add(v, i, count, scores_, sums_);
    }
  }

  /// The row's result, dim floats.
  void finish(int64_t row, float* out) const {
    const float scale = 1.0F / softmax_.total(row);
    for (int64_t d = 0; d < dim_; ++d) out[d] = sums_[d * stride_ + row] * scale;
  }
  [[nodiscard]] float log_sum_exp(int64_t row) const { return softmax_.log_sum_exp(row); }

 private:
  /// bf16 products write whole squares of 32.
  static int64_t sum_rows(int64_t dim) { return round_up(dim, 32); }

  void shrink_sums() {
    for (int64_t d = 0; d < dim_; ++d) {
      for (int64_t row = 0; row < stride_; row += kLanes) {
        float* at = sums_ + d * stride_ + row;
        store(at, load(at) * load(softmax_.shrink() + row));
      }
    }
  }

  int64_t stride_;
  int64_t dim_;
  float* scores_;  // [kKeyBlock, stride]
  float* sums_;    // [sum_rows, stride]
  RunningSoftmax softmax_;
  Products products_;
};

}  // namespace memlong::ops::cpu
