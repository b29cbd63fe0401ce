// What is near in the past of a text foretells it better than what is as much like it and far away.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

namespace memlong::retriever {

/// What a chunk's score (a cosine) loses for lying `tokens_back` tokens before the window:
/// `recency` for every doubling of its distance in chunks of `chunk` tokens; 0 for the chunk right
/// before it.
inline float recency_loss(float recency, int64_t tokens_back, int64_t chunk) {
  if (recency == 0.0F) return 0.0F;
  const float chunks = static_cast<float>(tokens_back) / static_cast<float>(chunk);
  return recency * std::log2(std::max(1.0F, chunks));
}

}  // namespace memlong::retriever
