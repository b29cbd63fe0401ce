// The two products of attention in bf16, summed in f32.
#pragma once

#include <cstdint>

#include "ops/cpu/attention_keys.h"
#include "ops/cpu/bf16_gemm.h"
#include "tensor/dtype.h"

namespace memlong::ops::cpu {

/// As F32Products, with the weights rounded to bf16 for the second product. Only where
/// bf16_gemm_available().
class Bf16Products {
 public:
  using Element = bf16;
  static int64_t row_stride(int64_t rows);
  static int64_t floats(int64_t row_stride, int64_t dim);
  Bf16Products(float* memory, int64_t row_stride, int64_t dim);

  void set_query(int64_t row, const bf16* query);
  void score(const KeyRows<bf16>& k, int64_t begin, int64_t count, float* scores);
  void add(const KeyRows<bf16>& v, int64_t begin, int64_t count, const float* weights, float* sums);

 private:
  void pair_weights(const float* weights, int64_t count);

  Bf16GemmScope scope_;
  int64_t row_stride_;
  int64_t dim_;
  int64_t dim_stride_;
  uint32_t* queries_;  // [dim_stride / 2, row_stride]: elements 2i and 2i + 1 of a row
  uint32_t* weights_;  // [kKeyBlock / 2, row_stride]: weights of keys 2i and 2i + 1
  bf16* keys_;         // [kKeyBlock, dim_stride], where they cannot be read in place
  bf16* values_;       // [dim_stride, kKeyBlock]
};

}  // namespace memlong::ops::cpu
