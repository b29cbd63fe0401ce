// Attention whose keys were shared out over blocks: the pieces' results become one.
#include "ops/cuda/attention_forward.h"

namespace memlong::ops::device {
namespace {

constexpr int kWarps = 4;
constexpr int kMaxDim = 256;
constexpr int kColumns = kMaxDim / kWarp;  // of a lane at most

struct Shares {
  float of_warp[kWarps][kMaxDim];
};

/// One block for each row: warp w adds up pieces w, w + kWarps, ..., then the warps' shares.
template <class T>
__global__ void __launch_bounds__(kWarps* kWarp)
    combine(const __grid_constant__ DeviceTable<AttentionTile<T>> tiles) {
  Shares& shares = block_shared<Shares>();
  wait_for_earlier();
  const AttentionTile<T>& tile = tiles[static_cast<int>(blockIdx.x)];
  const int group = static_cast<int>(blockIdx.y);
  const int r = static_cast<int>(blockIdx.z);
  if (group >= tile.groups || tile.pieces < 2 || r >= tile.rows) return;
  // The row's place in the first piece, and from there to the next pieces.
  const int64_t first = static_cast<int64_t>(group) * tile.rows + r;
  const int64_t step = static_cast<int64_t>(tile.groups) * tile.rows;
  float largest = -INFINITY;
  for (int i = lane_index(); i < tile.pieces; i += kWarp) {
    largest = fmaxf(largest, tile.sums_lse[first + i * step]);
  }
  largest = warp_reduce<Max>(largest);
  float total = 0.0F;
  for (int i = lane_index(); i < tile.pieces; i += kWarp) {
    total += exp2_fast((tile.sums_lse[first + i * step] - largest) * kLog2e);
  }
  total = warp_reduce<Sum>(total);

  float sums[kColumns] = {};
#pragma unroll 2
  for (int i = warp_index(); i < tile.pieces; i += kWarps) {
    const int64_t row = first + i * step;
    const float weight = exp2_fast((tile.sums_lse[row] - largest) * kLog2e);
#pragma unroll
    for (int c = 0; c < kColumns; ++c) {
      const int d = lane_index() + c * kWarp;
      if (d < tile.dim) sums[c] += weight * tile.sums[row * tile.dim + d];
    }
  }
#pragma unroll
  for (int c = 0; c < kColumns; ++c) {
    shares.of_warp[warp_index()][lane_index() + c * kWarp] = sums[c];
  }
  __syncthreads();
  T* out = tile.out.row(group, tile.first + r);
  for (int d = static_cast<int>(threadIdx.x); d < tile.dim; d += kWarps * kWarp) {
    float sum = 0.0F;
#pragma unroll
    for (int w = 0; w < kWarps; ++w) sum += shares.of_warp[w][d];
    out[d] = from_float<T>(sum / total);
  }
  if (threadIdx.x == 0 && tile.lse.data != nullptr) {
    *tile.lse.row(group, tile.first + r) = largest + log2f(total) * kLn2;
  }
}

template <class T>
void combine_all(Context& context, const AttentionBatch<T>& batch) {
  launch_early(context, "attention combine",
               {dim3(batch.grid.x, batch.grid.y, batch.rows), kWarps * kWarp}, combine<T>,
               batch.tiles);
}

}  // namespace

void combine_pieces(Context& context, const AttentionBatch<float>& batch) {
  combine_all(context, batch);
}
void combine_pieces(Context& context, const AttentionBatch<bf16>& batch) {
  combine_all(context, batch);
}

}  // namespace memlong::ops::device
