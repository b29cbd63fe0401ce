#include "engine/gather.h"

#include <utility>

#include "engine/main_memory.h"

namespace memlong::engine {

RetrievedSet gather_set(Context& context, std::vector<RetrievedChunk> chunks, int64_t kv_heads,
                        int64_t head_dim, DType dtype, const ChunkReader& read) {
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
  if (at == 0) return set;
  const auto kept = [&](const Tensor& whole) {
    return where_computed(context,
                          at == total ? whole : Tensor::copy_of(whole.view().slice(1, 0, at)));
  };
  set.k = kept(k);
  set.v = kept(v);
  return set;
}

}  // namespace memlong::engine
