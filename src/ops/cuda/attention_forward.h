// The kernels of attention() for one batch, queued by attention_forward.cu.
#pragma once

#include "ops/cuda/attention_tile.h"
#include "ops/cuda/launch.h"

namespace memlong::ops::device {

/// Rows of a tile, and keys of a block of them. A piece is a share of the blocks.
inline constexpr int kTileRows = 64;
inline constexpr int kTileKeys = 64;
/// Batches of much work have tiles of twice the rows, in bf16 up to this head dimension.
inline constexpr int kMaxDoubleDim = 128;

template <class T>
struct AttentionBatch {
  DeviceTable<AttentionTile<T>> tiles;
  dim3 grid;          ///< tiles, kv heads at most, pieces at most
  unsigned rows = 0;  ///< of a tile, at most
  int dim = 0;        ///< at most
};

void attend_plain(Context& context, const AttentionBatch<float>& batch);
/// On tensor cores.
void attend_mma(Context& context, const AttentionBatch<bf16>& batch);
/// out and lse of the tiles of which there are several pieces.
void combine_pieces(Context& context, const AttentionBatch<float>& batch);
void combine_pieces(Context& context, const AttentionBatch<bf16>& batch);

}  // namespace memlong::ops::device
