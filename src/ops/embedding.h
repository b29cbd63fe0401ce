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

}  // namespace memlong::ops
