// Small bf16 products whose operands lie in cache, summed in f32: on AMX tiles (Intel, from
// Sapphire Rapids), else with AVX-512's bf16 dot products.
#pragma once

#include <cstdint>

#include "tensor/dtype.h"

namespace memlong::ops::cpu {

/// Extents of a product are multiples of this: AMX goes by two by two tiles.
inline constexpr int64_t kBf16Square = 32;

/// True where this build and this processor have such products. Asks the kernel once.
bool bf16_gemm_available();

/// While one of these lives, its thread may call bf16_gemm().
class Bf16GemmScope {
 public:
  Bf16GemmScope();
  ~Bf16GemmScope();
  Bf16GemmScope(const Bf16GemmScope&) = delete;
  Bf16GemmScope& operator=(const Bf16GemmScope&) = delete;
};

/// Strides in elements of the matrix's own type.
struct Bf16Gemm {
  const bf16* a;  ///< [rows, depth]
  int64_t lda;
  const uint32_t* b;  ///< [depth / 2, columns]: elements 2i and 2i + 1 of a column
  int64_t ldb;
  float* c;  ///< [rows, columns]
  int64_t ldc;
};

/// c (+)= a b.
void bf16_gemm(const Bf16Gemm& operands, int64_t rows, int64_t columns, int64_t depth,
               bool accumulate);

}  // namespace memlong::ops::cpu
