// Choosing the next token from logits. Names, order and defaults of the steps are llama.cpp's:
// penalties, top_n_sigma, top_k, typical_p, top_p, min_p, temperature, then a draw.
#pragma once

#include <cstdint>
#include <random>
#include <span>
#include <vector>

#include "ops/top_k.h"

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

/// So many of the largest logits are all that sample() would look at; 0: it looks at every one
/// (penalties, top_n_sigma, no top_k).
int64_t candidates_needed(const SamplingOptions& options);

/// What sample() would return, from so many of the largest logits as top_k() gives them (not none).
int32_t sample_best(std::vector<Scored> best, const SamplingOptions& options,
                    std::mt19937_64& generator);

}  // namespace memlong::ops
