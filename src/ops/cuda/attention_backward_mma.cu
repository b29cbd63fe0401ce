#include "ops/cuda/attention_backward.h"
#include "ops/cuda/attention_mma.cuh"

namespace memlong::ops::device {
namespace {

constexpr int kOwn = kMmaWarps * kMmaRows;  // rows that a block makes gradients of
static_assert(kOwn == kGradientTile<bf16>);

/// Shared memory: both tensors of the own rows, and of two blocks of the others, one of which
/// arrives while the other is worked on.
template <int kDim>
struct Places {
  static constexpr int kOthers = kDim > 128 ? 16 : 32;  // rows of a block
  static constexpr int kStride = kMmaStride<kDim>;
  static constexpr size_t kBytes = size_t{2 * kOwn + 4 * kOthers} * kStride * sizeof(bf16);

  __device__ static __forceinline__ bf16* own(int tensor) {
    return dynamic_shared<bf16>() + tensor * kOwn * kStride;
  }
  __device__ static __forceinline__ bf16* others(int block, int tensor) {
    return own(2) + (block % 2 * 2 + tensor) * kOthers * kStride;
  }
};

/// Weights and slopes of the warp's own rows and a block of others; `pairs` says which see each
/// other. dfirst += dS first, and for keys also dsecond += P second; `first` and `second` are the
/// block's tensors, sums have the columns from `column` on.
template <bool kOwnKeys, int kDim, int kColumns, class Pairs>
__device__ __forceinline__ void meet(int block, float scale, const Pairs& pairs, int column,
                                     FragmentC (&dfirst)[1][kColumns],
                                     FragmentC (&dsecond)[1][kColumns]) {
  constexpr int kPieces = Places<kDim>::kOthers / 8;
  constexpr int kUnrolled = kOwnKeys ? 2 : kDim / 16;  // two sums fill the registers
  const int own = warp_index() * kMmaRows * kMmaStride<kDim>;
  const bf16* first = Places<kDim>::others(block, 0);
  const bf16* second = Places<kDim>::others(block, 1);
  FragmentC weights[1][kPieces];
  add_row_products<kDim, kUnrolled>(Places<kDim>::own(0) + own, first, weights);
#pragma unroll
  for (int j = 0; j < kPieces; ++j) {
#pragma unroll
    for (int e = 0; e < 4; ++e) {
      float& weight = weights[0][j].v[e];
      weight = pairs.open(j, e) ? exp2_fast(weight * scale - pairs.term(j, e).lse) : 0.0F;
    }
  }
  if constexpr (kOwnKeys) add_weighted_rows<kDim>(weights, second + column, dsecond);
  FragmentC slopes[1][kPieces];
  add_row_products<kDim, kUnrolled>(Places<kDim>::own(1) + own, second, slopes);
#pragma unroll
  for (int j = 0; j < kPieces; ++j) {
#pragma unroll
    for (int e = 0; e < 4; ++e) {
      float& slope = slopes[0][j].v[e];
      // Keys that a row does not read may hold anything.
      slope = pairs.open(j, e) ? weights[0][j].v[e] * (slope - pairs.term(j, e).delta) : 0.0F;
    }
  }
  add_weighted_rows<kDim>(slopes, first + column, dfirst);
}

/// Own rows are queries, others keys.
struct QueryPairs {
  RowTerm of_row[2];
  int keys[2];  ///< of the block, that the row reads

  __device__ __forceinline__ bool open(int j, int e) const {
    return j * 8 + FragmentC::column(e) < keys[e / 2];
  }
  __device__ __forceinline__ const RowTerm& term(int /*j*/, int e) const { return of_row[e / 2]; }
};

/// Own rows are keys, others queries.
template <int kPieces>
struct KeyPairs {
  RowTerm of_row[kPieces][2];
  uint32_t seen = 0;  ///< bit 4 j + e: the row reads the key

  __device__ __forceinline__ bool open(int j, int e) const {
    return (seen >> (j * 4 + e) & 1) != 0;
  }
  __device__ __forceinline__ const RowTerm& term(int j, int e) const { return of_row[j][e % 2]; }

  /// Of rows [first, ...).
  __device__ __forceinline__ KeyPairs(const KeyTile<bf16>& tile, int group, int first) {
    static_assert(kPieces <= 8);
    const bool masked = tile.open(first) < tile.count;
    const int own = warp_index() * kMmaRows + FragmentC::row(0);
#pragma unroll
    for (int j = 0; j < kPieces; ++j) {
#pragma unroll
      for (int e = 0; e < 2; ++e) {
        const int r = first + j * 8 + FragmentC::column(e);
        of_row[j][e] = tile.call.term(group, min(r, tile.end - 1));
        const int keys = r >= tile.end ? 0 : masked ? tile.open(r) : tile.count;
        if (own < keys) seen |= 1U << (j * 4 + e);
        if (own + 8 < keys) seen |= 1U << (j * 4 + e + 2);
      }
    }
  }
};

/// The warp's sums times `scale`, to rows [first, first + count) and columns from `column` on.
template <int kColumns>
__device__ __forceinline__ void write_sums(const FragmentC (&sums)[1][kColumns],
                                           const HeadRows<bf16>& to, int group, int first,
                                           int count, int column, int dim, float scale,
                                           bool paired) {
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    const int r = warp_index() * kMmaRows + FragmentC::row(half * 2);
    if (r >= count) continue;
    bf16* row = to.row(group, first + r);
#pragma unroll
    for (int c = 0; c < kColumns; ++c) {
      const int d = column + c * 8 + FragmentC::column(0);
      if (d >= dim) continue;
      store_pair(row + d, sums[0][c].v[half * 2] * scale, sums[0][c].v[half * 2 + 1] * scale,
                 paired);
    }
  }
}

/// The same, added to f32.
template <int kColumns>
__device__ __forceinline__ void add_sums(const FragmentC (&sums)[1][kColumns],
                                         const HeadRows<float>& to, int group, int first, int count,
                                         int column, int dim, float scale) {
  if (to.data == nullptr) return;
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    const int r = warp_index() * kMmaRows + FragmentC::row(half * 2);
    if (r >= count) continue;
    float* row = to.row(group, first + r);
#pragma unroll
    for (int c = 0; c < kColumns; ++c) {
      const int d = column + c * 8 + FragmentC::column(0);
      if (d >= dim) continue;
      row[d] += sums[0][c].v[half * 2] * scale;
      row[d + 1] += sums[0][c].v[half * 2 + 1] * scale;
    }
  }
}

template <int kDim>
__device__ __forceinline__ void load_own(const GradientCall<bf16>& call,
                                         const HeadRows<const bf16>& first_tensor,
                                         const HeadRows<const bf16>& second_tensor, int group,
                                         int first, int count) {
  load_rows<kDim, kOwn>(Places<kDim>::own(0), first_tensor, group, first, count, call.dim,
                        call.width);
  load_rows<kDim, kOwn>(Places<kDim>::own(1), second_tensor, group, first, count, call.dim,
                        call.width);
}

template <int kDim>
__device__ __forceinline__ void load_others(int block, const GradientCall<bf16>& call,
                                            const HeadRows<const bf16>& first_tensor,
                                            const HeadRows<const bf16>& second_tensor, int group,
                                            int first, int count) {
  constexpr int kOthers = Places<kDim>::kOthers;
  load_rows<kDim, kOthers>(Places<kDim>::others(block, 0), first_tensor, group, first, count,
                           call.dim, call.width);
  load_rows<kDim, kOthers>(Places<kDim>::others(block, 1), second_tensor, group, first, count,
                           call.dim, call.width);
  copy_async_commit();
}

template <int kDim>
__device__ __forceinline__ void load_keys(int index, const QueryTile<bf16>& tile, int group) {
  const KeyBlock block = KeyBlock::at(tile.keys, index, Places<kDim>::kOthers);
  load_others<kDim>(index, tile.call, block.memory ? tile.keys.k_memory : tile.keys.k,
                    block.memory ? tile.keys.v_memory : tile.keys.v, group, block.first,
                    block.count);
}

template <int kDim>
__global__ void __launch_bounds__(kMmaThreads, 1)
    query_gradients(const __grid_constant__ DeviceTable<QueryTile<bf16>> tiles) {
  const QueryTile<bf16>& tile = tiles[static_cast<int>(blockIdx.x)];
  const GradientCall<bf16>& call = tile.call;
  const int group = static_cast<int>(blockIdx.y);
  if (group >= call.groups) return;
  load_own<kDim>(call, call.q, call.dout, group, tile.first, tile.count);
  load_keys<kDim>(0, tile, group);
  const bool has_rows = warp_index() * kMmaRows < tile.count;
  QueryPairs pairs;
  int position[2];
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    const int r = warp_index() * kMmaRows + FragmentC::row(half * 2);
    position[half] = call.position(tile.first + r);
    pairs.of_row[half] =
        r < tile.count ? call.term(group, tile.first + r) : RowTerm{INFINITY, 0.0F};
  }
  FragmentC dq[1][kDim / 8];
  const int blocks = tile.keys.count(Places<kDim>::kOthers);
  for (int b = 0; b < blocks; ++b) {
    copy_async_wait<0>();
    __syncthreads();  // the block is there, and nobody needs the one before
    if (b + 1 < blocks) load_keys<kDim>(b + 1, tile, group);
    const KeyBlock block = KeyBlock::at(tile.keys, b, Places<kDim>::kOthers);
#pragma unroll
    for (int half = 0; half < 2; ++half) pairs.keys[half] = block.open(position[half]);
    if (has_rows) meet<false, kDim>(b, call.scale, pairs, 0, dq, dq);
  }
  write_sums(dq, tile.dq, group, tile.first, tile.count, 0, call.dim, call.gradient, tile.paired);
}

/// dk and dv of kColumns * 8 columns from `column` on.
template <int kDim, int kColumns>
__device__ __forceinline__ void make_key_gradients(const KeyTile<bf16>& tile, int group,
                                                   int column) {
  constexpr int kOthers = Places<kDim>::kOthers;
  const GradientCall<bf16>& call = tile.call;

  __syncthreads();  // all have done with the tile before
  if (tile.begin < tile.end) {
    load_own<kDim>(call, tile.k, tile.v, group, tile.first, tile.count);
    load_others<kDim>(0, call, call.q, call.dout, group, tile.begin,
                      min(kOthers, tile.end - tile.begin));
  }
  const bool has_keys = warp_index() * kMmaRows < tile.count;
  FragmentC dk[1][kColumns];
  FragmentC dv[1][kColumns];
  int block = 0;
  for (int first = tile.begin; first < tile.end; first += kOthers, ++block) {
    copy_async_wait<0>();
    __syncthreads();  // the block is there, and nobody needs the one before
    const int next = first + kOthers;
    if (next < tile.end) {
      load_others<kDim>(block + 1, call, call.q, call.dout, group, next,
                        min(kOthers, tile.end - next));
    }
    const KeyPairs<kOthers / 8> pairs(tile, group, first);
    if (has_keys) meet<true, kDim>(block, call.scale, pairs, column, dk, dv);
  }
  if (!tile.memory) {
    write_sums(dk, tile.dk, group, tile.first, tile.count, column, call.dim, call.gradient,
               tile.paired);
    write_sums(dv, tile.dv, group, tile.first, tile.count, column, call.dim, 1.0F, tile.paired);
    return;
  }
  // A thread has the same elements of every tile that it goes on with.
  add_sums(dk, tile.dk_memory, group, tile.first, tile.count, column, call.dim, call.gradient);
  add_sums(dv, tile.dv_memory, group, tile.first, tile.count, column, call.dim, 1.0F);
}

template <int kDim, int kColumns>
__global__ void __launch_bounds__(kMmaThreads, 1)
    key_gradients(const __grid_constant__ DeviceTable<KeyTile<bf16>> tiles) {
  int index = static_cast<int>(blockIdx.x);
  const int group = static_cast<int>(blockIdx.y);
  if (group >= tiles[index].call.groups || tiles[index].goes_on) return;
  const int column = kColumns * 8 == kDim ? 0 : static_cast<int>(blockIdx.z) * kColumns * 8;
  bool more = true;
  while (more) {
    make_key_gradients<kDim, kColumns>(tiles[index], group, column);
    more = tiles[index].more;
    ++index;
  }
}

}  // namespace

void attend_backward_mma(Context& context, const GradientBatch<bf16>& batch) {
  dispatch_mma_dim(batch.dim, [&](auto dim) {
    constexpr int kDim = decltype(dim)::value;
    constexpr size_t kBytes = Places<kDim>::kBytes;
    // So that the sums of dk and dv fit into registers.
    constexpr int kParts = kDim > 128 ? 2 : 1;
    if (batch.key_grid.x > 0) {
      const dim3 grid(batch.key_grid.x, batch.key_grid.y, kParts);
      launch(context, "attention_backward keys", {grid, kMmaThreads, kBytes},
             key_gradients<kDim, kDim / 8 / kParts>, batch.keys);
    }
    if (batch.query_grid.x > 0) {
      launch(context, "attention_backward queries", {batch.query_grid, kMmaThreads, kBytes},
             query_gradients<kDim>, batch.queries);
    }
  });
}

}  // namespace memlong::ops::device
