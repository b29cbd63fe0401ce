// One Llama block on the next token of many windows at once: weights are read once for all of them.
#pragma once

#include <cstdint>
#include <span>

#include "backbone/block.h"
#include "backbone/kv_cache.h"
#include "backbone/weights.h"
#include "ops/attention.h"
#include "tensor/context.h"

namespace memlong::backbone {

/// Where one token of a pass belongs: it is the next of a window.
struct TokenPlace {
  KvCache* cache = nullptr;  ///< of its window; no two tokens of a pass share one
  int64_t position = 0;      ///< in the window; the cache holds those below it
  std::span<const ops::MemorySegment> memory = {};  ///< none, or one of row [0, 1): the token
  TensorView raw_k = {};                            ///< [G, 1, D], optional: its key before rope
  TensorView raw_v = {};                            ///< [G, 1, D], optional: its value
  MassProbe* probe = nullptr;                       ///< optional; no two tokens share one
};

struct TokensCall {
  TensorView x;                        ///< [N, C] f32, read and written: a row for each token
  std::span<const TokenPlace> tokens;  ///< N
  int64_t layer = 0;
  bool reads = false;      ///< tokens read their memory, and probes are served
  bool keeps_raw = false;  ///< keys and values go to raw_k and raw_v too
};

/// As block_forward on each token alone, up to rounding.
void block_tokens(Context& context, const LlamaWeights& weights, const TokensCall& call);

}  // namespace memlong::backbone
