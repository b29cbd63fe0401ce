#include "ops/cuda/attention_forward.h"
#include "ops/cuda/attention_plain.cuh"

namespace memlong::ops::device {
namespace {

constexpr int kRowsEach = kTileRows / kSide;
constexpr int kKeysEach = kTileKeys / kSide;

/// Scores of the block become weights in shared memory; `sums` shrink where a maximum rises.
template <int kChunks>
__device__ __forceinline__ void weigh(float (&scores)[kRowsEach][kKeysEach], const int* position,
                                      const KeyBlock& block, float scale,
                                      RunningSoftmax (&softmax)[kRowsEach],
                                      float (&sums)[kChunks][kRowsEach][4], float* weights) {
#pragma unroll
  for (int i = 0; i < kRowsEach; ++i) {
    const int open = block.open(position[i]);
    float largest = -INFINITY;
#pragma unroll
    for (int j = 0; j < kKeysEach; ++j) {
      scores[i][j] = side_x() + j * kSide < open ? scores[i][j] * scale : -INFINITY;
      largest = fmaxf(largest, scores[i][j]);
    }
    const float shrink = softmax[i].raise(warp_reduce<Max, kSide>(largest));
#pragma unroll
    for (int j = 0; j < kKeysEach; ++j) {
      weights[(side_y() + i * kSide) * kChunkStride + side_x() + j * kSide] =
          softmax[i].weigh(scores[i][j]);
    }
#pragma unroll
    for (int c = 0; c < kChunks; ++c) {
#pragma unroll
      for (int e = 0; e < 4; ++e) sums[c][i][e] *= shrink;
    }
  }
}

template <int kChunks>
__device__ __forceinline__ void write(const AttentionTile<float>& tile, int group, int r,
                                      const RunningSoftmax& softmax,
                                      const float (&sums)[kChunks][kRowsEach][4], int i) {
  const float total = warp_reduce<Sum, kSide>(softmax.total);
  if (r >= tile.rows) return;
  const float scale = total > 0.0F ? 1.0F / total : 0.0F;  // 0: a piece without open keys
  const float lse = (softmax.largest + log2f(total)) * kLn2;
  const int64_t piece_row =
      (static_cast<int64_t>(blockIdx.z) * tile.groups + group) * tile.rows + r;
  const bool split = tile.pieces > 1;
  float* piece = tile.sums + piece_row * tile.dim;
  float* out = tile.out.row(group, tile.first + r);
#pragma unroll
  for (int c = 0; c < kChunks; ++c) {
#pragma unroll
    for (int e = 0; e < 4; ++e) {
      const int d = c * kChunk + side_x() * 4 + e;
      if (d >= tile.dim) continue;
      if (split) {
        piece[d] = sums[c][i][e] * scale;
      } else {
        out[d] = sums[c][i][e] * scale;
      }
    }
  }
  if (side_x() != 0) return;
  if (split) {
    tile.sums_lse[piece_row] = lse;
  } else if (tile.lse.data != nullptr) {
    *tile.lse.row(group, tile.first + r) = lse;
  }
}

template <int kChunks>
__global__ void __launch_bounds__(kPlainThreads)
    attend(const __grid_constant__ DeviceTable<AttentionTile<float>> tiles) {
  constexpr int kStride = kChunks * kChunk + 4;
  const AttentionTile<float>& tile = tiles[static_cast<int>(blockIdx.x)];
  const int group = static_cast<int>(blockIdx.y);
  const int piece = static_cast<int>(blockIdx.z);
  if (group >= tile.groups || piece >= tile.pieces) return;
  auto* queries = dynamic_shared<float>();
  float* chunk = queries + kTileRows * kStride;
  float* weights = chunk + kTileKeys * kChunkStride;
  const bool wide = tile.width > 1;
  for (int c = 0; c < kChunks; ++c) {
    load_chunk<kTileRows>(queries + c * kChunk, kStride, tile.q, group, tile.first, tile.rows,
                          c * kChunk, tile.dim, wide);
  }
  const int shift = tile.shift();
  int position[kRowsEach];
#pragma unroll
  for (int i = 0; i < kRowsEach; ++i) position[i] = tile.position(side_y() + i * kSide) + shift;
  RunningSoftmax softmax[kRowsEach];
  float sums[kChunks][kRowsEach][4] = {};
  const int blocks = tile.keys.count(kTileKeys, shift);
  const int end = blocks * (piece + 1) / tile.pieces;
  for (int b = blocks * piece / tile.pieces; b < end; ++b) {
    const KeyBlock block = KeyBlock::at(tile.keys, b, kTileKeys, shift);
    const HeadRows<const float>& k = block.memory ? tile.keys.k_memory : tile.keys.k;
    const HeadRows<const float>& v = block.memory ? tile.keys.v_memory : tile.keys.v;
    float scores[kRowsEach][kKeysEach] = {};
    for (int c = 0; c < kChunks; ++c) {
      __syncthreads();  // all have done with what lies there
      load_chunk<kTileKeys>(chunk, kChunkStride, k, group, block.first, block.count, c * kChunk,
                            tile.dim, wide);
      __syncthreads();
      add_products(queries + c * kChunk, kStride, chunk, kChunkStride, scores);
    }
    weigh(scores, position, block, tile.scale, softmax, sums, weights);
#pragma unroll
    for (int c = 0; c < kChunks; ++c) {
      __syncthreads();
      load_chunk<kTileKeys>(chunk, kChunkStride, v, group, block.first, block.count, c * kChunk,
                            tile.dim, wide);
      __syncthreads();
      add_weighted(weights, chunk, sums[c]);
    }
  }
#pragma unroll
  for (int i = 0; i < kRowsEach; ++i) {
    write(tile, group, side_y() + i * kSide, softmax[i], sums, i);
  }
}

}  // namespace

void attend_plain(Context& context, const AttentionBatch<float>& batch) {
  dispatch_chunks(batch.dim, [&](auto chunks) {
    constexpr int kChunks = decltype(chunks)::value;
    constexpr size_t kFloats =
        kTileRows * (kChunks * kChunk + 4) + (kTileKeys + kTileRows) * kChunkStride;
    launch(context, "attention", {batch.grid, kPlainThreads, kFloats * sizeof(float)},
           attend<kChunks>, batch.tiles);
  });
}

}  // namespace memlong::ops::device
