// Log-probabilities from logits.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "tensor/tensor.h"

namespace memlong::eval_tool {

/// Summed natural log-probability of `wanted` [T] under logits [T, V] f32.
double log_probability(const TensorView& logits, std::span<const int32_t> wanted);

/// The likeliest id of every row of logits [T, V] f32.
std::vector<int32_t> argmax_rows(const TensorView& logits);

}  // namespace memlong::eval_tool
