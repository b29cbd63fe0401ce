// The token after a stream's last one.
#pragma once

#include <cstdint>
#include <random>

#include "engine/stream.h"
#include "ops/sampling.h"
#include "tensor/context.h"

namespace memlong::engine {

/// Draws it from the stream's logits (read with Want::last). On a GPU the candidates are chosen
/// there, so that they alone come over the bus. Deterministic for a given generator state.
int32_t next_token(Context& context, const Stream& stream, const ops::SamplingOptions& sampling,
                   std::mt19937_64& generator);

}  // namespace memlong::engine
