#include "engine/gather.h"

#include <utility>

namespace memlong::engine {

RetrievedSet gather_set(std::vector<RetrievedChunk> chunks, int64_t kv_heads, int64_t head_dim,
                        DType dtype, const ChunkReader& read) {
  RetrievedSet set;
  int64_t total = 0;
  for (const RetrievedChunk& chunk : chunks) total += chunk.tokens;
  if (total == 0) return set;
  const Tensor k({kv_heads, total, head_dim}, dtype);
  const Tensor v(k.shape(), dtype);
  int64_t at = 0;
  for (RetrievedChunk& chunk : chunks) {
    const int64_t end = at + chunk.tokens;
    if (!read(chunk, k.view().slice(1, at, end), v.view().slice(1, at, end))) continue;
    at = end;
    set.chunks.push_back(chunk);
  }
  if (at == total) {
    set.k = k;
    set.v = v;
  } else if (at > 0) {
    set.k = Tensor::copy_of(k.view().slice(1, 0, at));
    set.v = Tensor::copy_of(v.view().slice(1, 0, at));
  }
  return set;
}

}  // namespace memlong::engine
