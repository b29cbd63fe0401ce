// One Llama block on many windows at once, each read whole.
#pragma once

#include <cstdint>
#include <span>

#include "backbone/weights.h"
#include "tensor/context.h"

namespace memlong::backbone {

/// Rows [begin, end) are a window.
struct WindowRows {
  int64_t begin = 0;
  int64_t end = 0;
};

/// As block_forward on each window alone from its position 0, with one product for the rows of all.
/// x [T, C] f32, read and written; the windows follow each other and cover [0, T). Nothing is kept:
/// keys and values of the layer are scratch.
void block_windows(Context& context, const LlamaWeights& weights, int64_t layer,
                   std::span<const WindowRows> windows, const TensorView& x);

}  // namespace memlong::backbone
