// Choosing the next token from logits. Names, order and defaults of the steps are llama.cpp's:
// penalties, top_n_sigma, top_k, typical_p, top_p, min_p, temperature, then a draw.
#pragma once

#include <cstdint>
#include <random>
#include <span>
#include <vector>

namespace memlong::ops {

struct SamplingOptions {
  float temperature = 0.8F;     ///< <= 0: greedy
  int32_t top_k = 40;           ///< <= 0: off
  float top_p = 0.95F;          ///< 1: off
  float min_p = 0.05F;          ///< 0: off
  float typical_p = 1.0F;       ///< 1: off
  float top_n_sigma = -1.0F;    ///< <= 0: off
  float repeat_penalty = 1.0F;  ///< 1: off
  int32_t repeat_last_n = 64;   ///< 0: off, -1: everything
  float frequency_penalty = 0.0F;
  float presence_penalty = 0.0F;
};

/// Draws one id from `logits` [V] f32 (host memory; modified). `history` is what was read and
/// written before, newest last. Deterministic for a given generator state.
int32_t sample(std::span<float> logits, std::span<const int32_t> history,
               const SamplingOptions& options, std::mt19937_64& generator);

}  // namespace memlong::ops
