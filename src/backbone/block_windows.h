// One Llama block on many windows at once, each read whole.
#pragma once

#include <cstdint>
#include <span>

#include "backbone/weights.h"
#include "ops/rope.h"
#include "tensor/context.h"

namespace memlong::backbone {

/// As block_forward on each window alone from its position 0, with one product for the rows of all.
/// x [T, C] f32, read and written; the windows follow each other and cover [0, T), their starts are
/// 0. Nothing is kept: keys and values of the layer are scratch.
void block_windows(Context& context, const LlamaWeights& weights, int64_t layer,
                   std::span<const ops::RopeRows> windows, const TensorView& x);

}  // namespace memlong::backbone
