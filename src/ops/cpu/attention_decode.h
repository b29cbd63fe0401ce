// Attention of few rows: the keys are cut into stretches, so that all threads read them even where
// a model has one kv head, and the stretches are merged in order.
#pragma once

#include "ops/attention.h"

namespace memlong::ops::cpu {

/// Whether decode_attention() can take the call.
bool is_decode(const AttentionArgs& args);
void decode_attention(Context& context, const AttentionArgs& args);

}  // namespace memlong::ops::cpu
