#include "ops/cuda/attention_forward.h"
#include "ops/cuda/attention_mma.cuh"

namespace memlong::ops::device {
namespace {

/// The two rows of which a lane holds columns, as FragmentC says: v[0], v[1] and v[2], v[3].
struct LaneRows {
  int position[2];
  RunningSoftmax softmax[2];

  __device__ __forceinline__ void set(const AttentionTile<bf16>& tile, int first, int shift) {
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      position[half] = tile.position(first + FragmentC::row(half * 2)) + shift;
    }
  }
};

/// Scores become weights; sums shrink where a maximum rises.
template <int kColumns, int kSums>
__device__ __forceinline__ void weigh(FragmentC (&scores)[kColumns], const KeyBlock& block,
                                      float scale, LaneRows& rows, FragmentC (&sums)[kSums]) {
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    const int open = block.open(rows.position[half]);
    float largest = -INFINITY;
#pragma unroll
    for (int j = 0; j < kColumns; ++j) {
#pragma unroll
      for (int e = 0; e < 2; ++e) {
        float& score = scores[j].v[half * 2 + e];
        score = j * 8 + FragmentC::column(e) < open ? score * scale : -INFINITY;
        largest = fmaxf(largest, score);
      }
    }
    RunningSoftmax& softmax = rows.softmax[half];
    const float shrink = softmax.raise(warp_reduce<Max, 4>(largest));
#pragma unroll
    for (int c = 0; c < kSums; ++c) {
      sums[c].v[half * 2] *= shrink;
      sums[c].v[half * 2 + 1] *= shrink;
    }
#pragma unroll
    for (int j = 0; j < kColumns; ++j) {
#pragma unroll
      for (int e = 0; e < 2; ++e) {
        float& score = scores[j].v[half * 2 + e];
        score = softmax.weigh(score);
      }
    }
  }
}

template <int kColumns>
__device__ __forceinline__ void write(const AttentionTile<bf16>& tile, int group, int first,
                                      const LaneRows& rows, const FragmentC (&sums)[kColumns]) {
  const bool split = tile.pieces > 1;
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    const RunningSoftmax& softmax = rows.softmax[half];
    const float total = warp_reduce<Sum, 4>(softmax.total);
    const float scale = total > 0.0F ? 1.0F / total : 0.0F;  // 0: a piece without open keys
    const float lse = (softmax.largest + log2f(total)) * kLn2;
    const int r = first + FragmentC::row(half * 2);
    if (r < tile.rows) {
      const int64_t piece_row =
          (static_cast<int64_t>(blockIdx.z) * tile.groups + group) * tile.rows + r;
      bf16* out = tile.out.row(group, tile.first + r);
      float* piece = tile.sums + piece_row * tile.dim;
#pragma unroll
      for (int c = 0; c < kColumns; ++c) {
        const int d = c * 8 + FragmentC::column(0);
        const float pair[2] = {sums[c].v[half * 2] * scale, sums[c].v[half * 2 + 1] * scale};
        if (d >= tile.dim) continue;
        if (split) {
          store_floats(piece + d, pair);
        } else {
          store_pair(out + d, pair[0], pair[1], tile.paired);
        }
      }
      if (lane_index() % 4 == 0) {
        if (split) {
          tile.sums_lse[piece_row] = lse;
        } else if (tile.lse.data != nullptr) {
          *tile.lse.row(group, tile.first + r) = lse;
        }
      }
    }
  }
}

/// A warp has kTiles times 16 rows and all keys of a block. Keys arrive while the values of the
/// block before are worked on, values while the scores are.
template <int kDim, int kKeys, int kTiles>
__global__ void __launch_bounds__(kMmaThreads, 1)
    attend(const __grid_constant__ DeviceTable<AttentionTile<bf16>> tiles) {
  constexpr int kStride = kMmaStride<kDim>;
  constexpr int kRows = kTiles * kMmaWarps * kMmaRows;
  wait_for_earlier();
  const AttentionTile<bf16>& tile = tiles[static_cast<int>(blockIdx.x)];
  const int group = static_cast<int>(blockIdx.y);
  const int piece = static_cast<int>(blockIdx.z);
  if (group >= tile.groups || piece >= tile.pieces) return;
  auto* queries = dynamic_shared<bf16>();
  bf16* keys = queries + kRows * kStride;
  bf16* values = keys + kKeys * kStride;
  const int first_row = warp_index() * kTiles * kMmaRows;
  const bool has_rows = first_row < tile.rows;
  const bf16* own = queries + first_row * kStride;
  const int shift = tile.shift();
  LaneRows rows[kTiles];
#pragma unroll
  for (int t = 0; t < kTiles; ++t) rows[t].set(tile, first_row + t * kMmaRows, shift);
  FragmentC sums[kTiles][kDim / 8];
  const int blocks = tile.keys.count(kKeys, shift);
  const int begin = blocks * piece / tile.pieces;
  const int end = blocks * (piece + 1) / tile.pieces;
  KeyBlock block = KeyBlock::at(tile.keys, begin, kKeys, shift);
  load_rows<kDim, kRows>(queries, tile.q, group, tile.first, tile.rows, tile.dim, tile.width);
  load_rows<kDim, kKeys>(keys, block.memory ? tile.keys.k_memory : tile.keys.k, group, block.first,
                         block.count, tile.dim, tile.width);
  copy_async_commit();
  for (int b = begin; b < end; ++b) {
    copy_async_wait<0>();
    __syncthreads();  // the keys are there, and nobody needs the values before
    load_rows<kDim, kKeys>(values, block.memory ? tile.keys.v_memory : tile.keys.v, group,
                           block.first, block.count, tile.dim, tile.width);
    copy_async_commit();
    FragmentC scores[kTiles][kKeys / 8];
    if (has_rows) {
      add_row_products<kDim>(own, keys, scores);
#pragma unroll
      for (int t = 0; t < kTiles; ++t) weigh(scores[t], block, tile.scale, rows[t], sums[t]);
    }
    copy_async_wait<0>();
    __syncthreads();  // the values are there, and nobody needs these keys
    if (b + 1 < end) {
      block = KeyBlock::at(tile.keys, b + 1, kKeys, shift);
      load_rows<kDim, kKeys>(keys, block.memory ? tile.keys.k_memory : tile.keys.k, group,
                             block.first, block.count, tile.dim, tile.width);
      copy_async_commit();
    }
    if (has_rows) add_weighted_rows<kDim>(scores, values, sums);
  }
  copy_async_wait<0>();  // a piece without blocks has begun one all the same
  if (!has_rows) return;
#pragma unroll
  for (int t = 0; t < kTiles; ++t) {
    write(tile, group, first_row + t * kMmaRows, rows[t], sums[t]);
  }
}

template <int kDim, int kTiles>
void run(Context& context, const AttentionBatch<bf16>& batch) {
  constexpr int kKeys = kDim * kTiles > 128 ? 32 : 64;  // so that all fits into registers
  constexpr int kRows = kTiles * kMmaWarps * kMmaRows;
  constexpr size_t kBytes = (kRows + 2 * kKeys) * kMmaStride<kDim> * sizeof(bf16);
  launch_early(context, "attention", {batch.grid, kMmaThreads, kBytes}, attend<kDim, kKeys, kTiles>,
               batch.tiles);
}

}  // namespace

void attend_mma(Context& context, const AttentionBatch<bf16>& batch) {
  static_assert(kTileRows == kMmaWarps * kMmaRows);
  dispatch_mma_dim(batch.dim, [&](auto dim) {
    constexpr int kDim = decltype(dim)::value;
    if constexpr (kDim <= kMaxDoubleDim) {
      if (batch.rows > kTileRows) return run<kDim, 2>(context, batch);
    }
    run<kDim, 1>(context, batch);
  });
}

}  // namespace memlong::ops::device
