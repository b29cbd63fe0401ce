// One row of bf16 times packed weights: what decoding does. Every weight is read once, so this is
// as fast as memory or cache if nothing stands in its way: one pass over a thread's own stretch of
// weights, without the set-up that oneDNN needs for a product.
#pragma once

#include <cstdint>
#include <optional>

#include <dnnl.hpp>

#include "tensor/context.h"
#include "tensor/tensor.h"

namespace memlong::ops::cpu {

/// oneDNN's blocks of weights [K, N]: [blocks of N][K / 2, rounded up][width][2].
struct Bf16Blocks {
  int64_t width = 0;   ///< columns of a block: 16, 32, 48 or 64
  int64_t count = 0;   ///< blocks
  int64_t pairs = 0;   ///< of rows, those that pad the last block included
  int64_t stride = 0;  ///< words (pairs of elements) from block to block
};

/// Where weights of `layout` lie so.
std::optional<Bf16Blocks> bf16_blocks(const dnnl::memory::desc& layout);

/// Whether this build has it: AVX-512's bf16 dot products.
bool bf16_gemv_available();

struct Bf16Gemv {
  const bf16* x;  ///< [k]
  int64_t k;
  const uint32_t* weights;
  TensorView out;  ///< [1, N] f32 or bf16
  const float* bias = nullptr;
  bool accumulate = false;
};

/// out = x weights (+ bias) (+ out), summed in f32. The bits depend on how the weights were packed,
/// not on the threads.
void bf16_gemv(Context& context, const Bf16Blocks& blocks, const Bf16Gemv& operands);

}  // namespace memlong::ops::cpu
