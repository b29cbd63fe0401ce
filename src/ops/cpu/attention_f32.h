// The two products of attention in f32, for both dtypes, on any processor.
#pragma once

#include <algorithm>
#include <cstdint>
#include <type_traits>

#include "ops/cpu/attention_keys.h"
#include "ops/cpu/block_gemm.h"
#include "ops/cpu/convert.h"

namespace memlong::ops::cpu {

template <class T>
class F32Products {
 public:
  using Element = T;
  static int64_t row_stride(int64_t rows) { return round_up(rows, kLanes); }
  static int64_t floats(int64_t row_stride, int64_t dim) {
    return dim * row_stride + 2 * kKeyBlock * dim;
  }

  F32Products(float* memory, int64_t row_stride, int64_t dim)
      : row_stride_(row_stride),
        dim_(dim),
        queries_(memory),
        keys_(memory + dim * row_stride),
        values_(keys_ + kKeyBlock * dim) {
    std::fill_n(queries_, dim * row_stride, 0.0F);
  }

  void set_query(int64_t row, const T* query) {
    for (int64_t d = 0; d < dim_; ++d) queries_[d * row_stride_ + row] = to_float(query[d]);
  }

  /// scores[key, row] = k[key] . q[row]
  void score(const KeyRows<T>& k, int64_t begin, int64_t count, float* scores) {
    const KeyRows<float> keys = as_f32(k, begin, count, keys_);
    block_gemm({keys.data, keys.stride, 1}, queries_, row_stride_, dim_, scores, row_stride_, count,
               row_stride_, false);
  }

  /// sums[d, row] += v[key, d] weights[key, row]
  void add(const KeyRows<T>& v, int64_t begin, int64_t count, const float* weights, float* sums) {
    const KeyRows<float> values = as_f32(v, begin, count, values_);
    block_gemm({values.data, 1, values.stride}, weights, row_stride_, count, sums, row_stride_,
               dim_, row_stride_, true);
  }

 private:
  KeyRows<float> as_f32(const KeyRows<T>& rows, int64_t begin, int64_t count, float* buffer) const {
    if constexpr (std::is_same_v<T, float>) {
      return {rows.row(begin), rows.stride};
    } else {
      for (int64_t i = 0; i < count; ++i) {
        row_to_f32<T>(rows.row(begin + i), buffer + i * dim_, dim_);
      }
      return {buffer, dim_};
    }
  }

  int64_t row_stride_;
  int64_t dim_;
  float* queries_;  // [dim, row_stride]
  float* keys_;     // [kKeyBlock, dim]
  float* values_;   // [kKeyBlock, dim]
};

}  // namespace memlong::ops::cpu
