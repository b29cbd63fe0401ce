// The forward pass of a text encoder (BERT, arXiv 1810.04805; XLM-RoBERTa, arXiv 1911.02116).
// Internal to the retriever.
#pragma once

#include <cstdint>
#include <span>

#include "retriever/encoder_weights.h"
#include "tensor/context.h"
#include "tensor/tensor.h"

namespace memlong::retriever {

/// x [T, C] f32, the last layer's rows, for the ids [T] of a text. With norm = layer_norm; every
/// row attends to all rows:
///   x = norm(words[ids] + places)
///   x = norm(x + out(attention(qkv(x)))),  x = norm(x + down(gelu(up(x))))     for each layer
/// Ids are in [0, V), 1 to config.max_tokens() of them. On the CPU.
void encoder_forward(Context& context, const EncoderWeights& weights, std::span<const int32_t> ids,
                     const TensorView& x);

}  // namespace memlong::retriever
