// The one function of the matrix product that a library does. cuBLASLt stands behind it
// (gemm_library.cpp); the emulation of the tests has plain loops in its place.
//
// Matrices are described as the library sees them, by columns: what memlong calls a row-major
// [R, C] is a column-major [C, R]. out = A B by rows is therefore out' = B' A' here, and B comes
// first.
#pragma once

#include <algorithm>
#include <cstdint>

#include "tensor/context.h"
#include "tensor/tensor.h"

namespace memlong::ops {

/// One operand: a column-major matrix, and whether its transpose is multiplied.
struct GemmMatrix {
  void* data = nullptr;
  int64_t rows = 0;
  int64_t columns = 0;
  int64_t leading = 0;  ///< elements from one column to the next
  bool transposed = false;
};

/// out[rows, columns] = op(left) op(right) (+ bias[rows]) (+ out before the call), sums in f32.
struct GemmCall {
  GemmMatrix left;
  GemmMatrix right;
  GemmMatrix out;
  DType dtype = DType::f32;      ///< of left and right: f32 or bf16
  DType out_dtype = DType::f32;  ///< f32 or dtype
  const float* bias = nullptr;   ///< needs an out in f32; on 16 bytes
  bool accumulate = false;
};

/// Queued on the context's stream. No extent is 0. The same bits in every run on one device. False
/// where the library does not add the call's bias (extents of 1, narrow alignment): the rest is
/// done.
[[nodiscard]] bool library_gemm(Context& context, const GemmCall& call);

/// out[row, column] += bias[row], out in f32.
void add_bias(Context& context, const GemmMatrix& out, const float* bias);

/// A view with contiguous rows, as the library sees it.
inline GemmMatrix gemm_matrix(const TensorView& view, bool transposed) {
  const int64_t columns = view.dim(1);
  // A single row may have any stride.
  const int64_t leading = view.dim(0) == 1 ? columns : std::max(view.stride(0), columns);
  return {view.raw(), columns, view.dim(0), leading, transposed};
}

}  // namespace memlong::ops
