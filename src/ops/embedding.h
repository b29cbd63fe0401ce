// Token embedding: out[t, :] = table[ids[t], :].
#pragma once

#include <cstdint>
#include <span>

#include "tensor/context.h"
#include "tensor/tensor.h"

namespace memlong::ops {

/// table [V, C] f32, bf16 or f16 (any alignment, e.g. inside a mapped file), out [T, C] f32.
/// An id outside [0, V) is Error{internal}: check ids where they enter.
void embedding(Context& context, const TensorView& table, std::span<const int32_t> ids,
               const TensorView& out);

/// The same for ids [T] i32 that lie where the context computes. On a GPU they are read when the
/// work is done, and nobody looks whether they are in [0, V): the caller has.
void embedding_of_view(Context& context, const TensorView& table, const TensorView& ids,
                       const TensorView& out);

/// dtable[ids[t], :] += dout[t, :]; dtable [V, C] f32, dout [T, C] f32. In the order of t, whatever
/// the number of threads. Rows with an id of -1 go nowhere.
void embedding_backward(Context& context, std::span<const int32_t> ids, const TensorView& dout,
                        const TensorView& dtable);

}  // namespace memlong::ops
