// Attention of few rows: the keys are cut into stretches, so that all threads read them even where
// a model has one kv head, and the stretches are merged in order.
#pragma once

#include <span>

#include "ops/attention.h"

namespace memlong::ops::cpu {

/// Whether decode_attention() can take the call.
bool is_decode(const AttentionArgs& args);
/// Those of the calls that it can take, all of one dtype, in one loop over the stretches of all.
void decode_attention(Context& context, std::span<const AttentionArgs> calls);

}  // namespace memlong::ops::cpu
