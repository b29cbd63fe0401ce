// Copies between strided views and between devices, converting the dtype: out[...] = x[...].
#pragma once

#include <span>

#include "tensor/context.h"
#include "tensor/tensor.h"

namespace memlong::ops {

/// Same shape; f32, bf16, f16 in any combination; last dimensions contiguous, other strides free;
/// no overlap. Rounds to nearest even. On a GPU's context one of the two may lie on the host: what
/// goes to the host is there when this returns; what comes from pinned host memory must stay until
/// Context::synchronize().
void copy(Context& context, const TensorView& x, const TensorView& out);

struct CopyPair {
  TensorView x;
  TensorView out;
};

/// copy() of each pair; none may write where another reads or writes. On a GPU those whose two
/// sides lie there take one launch for each two dtypes, however many they are.
void copy(Context& context, std::span<const CopyPair> pairs);

/// A new contiguous tensor of `dtype` on the context's device with x's elements; x may be unaligned
/// (a mapped file).
Tensor convert(Context& context, const TensorView& x, DType dtype);

}  // namespace memlong::ops
