// The five products of attention's gradient in bf16, summed in f32.
#pragma once

#include <cstdint>
#include <span>

#include "ops/cpu/attention_backward_rows.h"
#include "ops/cpu/bf16_gemm.h"
#include "tensor/dtype.h"

namespace memlong::ops::cpu {

/// As F32BackwardProducts; weights and slopes are rounded to bf16 for the last three products. Only
/// where bf16_gemm_available().
class Bf16BackwardProducts {
 public:
  using Element = bf16;
  static int64_t row_stride(int64_t rows);
  static int64_t query_floats(int64_t row_stride, int64_t dim);
  static int64_t floats(int64_t row_stride, int64_t dim);
  Bf16BackwardProducts(float* memory, int64_t row_stride, int64_t dim, float scale);

  /// q, dout of row i at q[i], dout[i].
  void set_rows(float* queries, std::span<const bf16* const> q,
                std::span<const bf16* const> dout) const;
  void set_keys(const KeyRows<bf16>& k, const KeyRows<bf16>& v, int64_t begin, int64_t count);
  void pair(float* queries, int64_t rows, int64_t begin, int64_t count, bool causal, Wanted want);
  [[nodiscard]] const float* dk(int64_t key) const { return dk_ + key * dim_stride_; }
  [[nodiscard]] const float* dv(int64_t key) const { return dv_ + key * dim_stride_; }
  [[nodiscard]] const float* dq(float* queries) const { return parts(queries).dq; }

 private:
  struct Rows {
    RowTerms terms;
    uint32_t* q_turned;     // [dim_stride / 2, row_stride]: elements 2i and 2i + 1 of a row
    uint32_t* dout_turned;  // as q_turned
    uint32_t* q;            // [row_stride / 2, dim_stride]: rows 2i and 2i + 1
    uint32_t* dout;         // as q
    float* dq;              // [dim_stride, row_stride]
  };

  Rows parts(float* queries) const;
  template <bool kCausal>
  void weigh(const RowTerms& terms, int64_t columns, int64_t begin, int64_t count);

  Bf16GemmScope scope_;
  int64_t row_stride_;
  int64_t dim_;
  int64_t dim_stride_;
  float scale_;
  KeyRows<bf16> left_keys_;
  KeyRows<bf16> left_values_;
  float* dk_;              // [kKeyBlock, dim_stride]
  float* dv_;              // [kKeyBlock, dim_stride]
  float* scores_;          // [kKeyBlock, row_stride]
  float* raw_slopes_;      // [kKeyBlock, row_stride]: v dout^T
  uint32_t* slope_pairs_;  // [kKeyBlock / 2, row_stride]: slopes of keys 2i and 2i + 1
  bf16* weights_;          // [kKeyBlock, row_stride]
  bf16* slopes_;           // [kKeyBlock, row_stride]
  bf16* keys_;             // [kKeyBlock, dim_stride], where they cannot be read in place
  bf16* values_;           // as keys_
  bf16* turned_keys_;      // [dim_stride, kKeyBlock]
};

}  // namespace memlong::ops::cpu
