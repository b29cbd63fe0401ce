// Keys and values of several chunks, one after the other.
#pragma once

#include <functional>
#include <vector>

#include "engine/stream.h"
#include "tensor/tensor.h"

namespace memlong::engine {

/// Copies one chunk's K and V into views [G, n, D] in main memory; false when it is gone.
using ChunkReader =
    std::function<bool(const RetrievedChunk& chunk, const TensorView& k, const TensorView& v)>;

/// A set of `chunks` in their order, with K and V of `dtype` ([G, M, D]) where the context
/// computes. Chunks that are gone are left out.
RetrievedSet gather_set(Context& context, std::vector<RetrievedChunk> chunks, int64_t kv_heads,
                        int64_t head_dim, DType dtype, const ChunkReader& read);

}  // namespace memlong::engine
