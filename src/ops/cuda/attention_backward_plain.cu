#include "ops/cuda/attention_backward.h"
#include "ops/cuda/attention_plain.cuh"

namespace memlong::ops::device {
namespace {

constexpr int kOwn = 32;     // rows that a block makes gradients of
constexpr int kOther = 64;   // rows that they meet at a time
constexpr int kOwnEach = 2;  // of a thread
constexpr int kOtherEach = 4;
static_assert(kOther == kChunk && kOwn == kOwnEach * kSide && kOther == kOtherEach * kSide);

/// Shared memory: both tensors of the own rows, a chunk of the others, a product of both.
template <int kChunks>
struct Places {
  static constexpr int kStride = kChunks * kChunk + 4;
  static constexpr size_t kFloats = 2 * kOwn * kStride + (kOther + kOwn) * kChunkStride;
  float* own[2];
  float* chunk;
  float* weights;

  __device__ __forceinline__ Places() {
    own[0] = dynamic_shared<float>();
    own[1] = own[0] + kOwn * kStride;
    chunk = own[1] + kOwn * kStride;
    weights = chunk + kOther * kChunkStride;
  }
  __device__ __forceinline__ void load_own(int which, const GradientCall<float>& call,
                                           const HeadRows<const float>& rows, int group, int first,
                                           int count) const {
    for (int c = 0; c < kChunks; ++c) {
      load_chunk<kOwn>(own[which] + c * kChunk, kStride, rows, group, first, count, c * kChunk,
                       call.dim, call.width > 1);
    }
  }
  __device__ __forceinline__ void store(const float (&values)[kOwnEach][kOtherEach]) const {
#pragma unroll
    for (int i = 0; i < kOwnEach; ++i) {
#pragma unroll
      for (int j = 0; j < kOtherEach; ++j) {
        weights[(side_y() + i * kSide) * kChunkStride + side_x() + j * kSide] = values[i][j];
      }
    }
  }
};

/// The others of a block.
struct Others {
  const HeadRows<const float>& first_tensor;   ///< of q or k
  const HeadRows<const float>& second_tensor;  ///< of dout or v
  int group;
  int first;
  int count;
};

__device__ __forceinline__ void load_others(float* to, const GradientCall<float>& call,
                                            const HeadRows<const float>& rows, const Others& others,
                                            int chunk) {
  __syncthreads();  // all have done with what lies there
  load_chunk<kOther>(to, kChunkStride, rows, others.group, others.first, others.count,
                     chunk * kChunk, call.dim, call.width > 1);
  __syncthreads();
}

/// dfirst += dS others.first_tensor, and for keys also dsecond += P others.second_tensor.
template <bool kOwnKeys, int kChunks, class Pairs>
__device__ __forceinline__ void meet(const Places<kChunks>& places, const GradientCall<float>& call,
                                     const Others& others, const Pairs& pairs,
                                     float (&dfirst)[kChunks][kOwnEach][4],
                                     float (&dsecond)[kChunks][kOwnEach][4]) {
  constexpr int kStride = Places<kChunks>::kStride;
  float weights[kOwnEach][kOtherEach] = {};
  for (int c = 0; c < kChunks; ++c) {
    load_others(places.chunk, call, others.first_tensor, others, c);
    add_products(places.own[0] + c * kChunk, kStride, places.chunk, kChunkStride, weights);
  }
#pragma unroll
  for (int i = 0; i < kOwnEach; ++i) {
#pragma unroll
    for (int j = 0; j < kOtherEach; ++j) {
      weights[i][j] =
          pairs.open(i, j) ? exp2_fast(weights[i][j] * call.scale - pairs.term(i, j).lse) : 0.0F;
    }
  }
  if constexpr (kOwnKeys) places.store(weights);
  float slopes[kOwnEach][kOtherEach] = {};
#pragma unroll
  for (int c = 0; c < kChunks; ++c) {
    load_others(places.chunk, call, others.second_tensor, others, c);
    add_products(places.own[1] + c * kChunk, kStride, places.chunk, kChunkStride, slopes);
    if constexpr (kOwnKeys) add_weighted(places.weights, places.chunk, dsecond[c]);
  }
  __syncthreads();  // all have done with the weights
#pragma unroll
  for (int i = 0; i < kOwnEach; ++i) {
#pragma unroll
    for (int j = 0; j < kOtherEach; ++j) {
      // Keys that a row does not read may hold anything.
      slopes[i][j] =
          pairs.open(i, j) ? weights[i][j] * (slopes[i][j] - pairs.term(i, j).delta) : 0.0F;
    }
  }
  places.store(slopes);
#pragma unroll
  for (int c = 0; c < kChunks; ++c) {
    load_others(places.chunk, call, others.first_tensor, others, c);
    add_weighted(places.weights, places.chunk, dfirst[c]);
  }
}

/// Own rows are queries, others keys.
struct QueryPairs {
  RowTerm of_row[kOwnEach];
  int keys[kOwnEach];  ///< of the block, that the row reads

  __device__ __forceinline__ bool open(int i, int j) const {
    return side_x() + j * kSide < keys[i];
  }
  __device__ __forceinline__ const RowTerm& term(int i, int /*j*/) const { return of_row[i]; }
};

/// Own rows are keys, others queries.
struct KeyPairs {
  RowTerm of_row[kOtherEach];
  int keys[kOtherEach];  ///< of the tile, that the row reads

  __device__ __forceinline__ bool open(int i, int j) const {
    return side_y() + i * kSide < keys[j];
  }
  __device__ __forceinline__ const RowTerm& term(int /*i*/, int j) const { return of_row[j]; }
};

/// What of the sums lies within `count` rows and `dim` columns, to rows [first, ...).
template <int kChunks>
__device__ __forceinline__ void write_sums(const float (&sums)[kChunks][kOwnEach][4],
                                           const HeadRows<float>& to, int group, int first,
                                           int count, int dim, float scale, bool add) {
#pragma unroll
  for (int i = 0; i < kOwnEach; ++i) {
    const int r = side_y() + i * kSide;
    if (r >= count) continue;
    float* row = to.row(group, first + r);
#pragma unroll
    for (int c = 0; c < kChunks; ++c) {
#pragma unroll
      for (int e = 0; e < 4; ++e) {
        const int d = c * kChunk + side_x() * 4 + e;
        if (d >= dim) continue;
        const float before = add ? row[d] : 0.0F;
        row[d] = before + sums[c][i][e] * scale;
      }
    }
  }
}

template <int kChunks>
__global__ void __launch_bounds__(kPlainThreads, 1)
    query_gradients(const __grid_constant__ DeviceTable<QueryTile<float>> tiles) {
  const QueryTile<float>& tile = tiles[static_cast<int>(blockIdx.x)];
  const GradientCall<float>& call = tile.call;
  const int group = static_cast<int>(blockIdx.y);
  if (group >= call.groups) return;
  const Places<kChunks> places;
  places.load_own(0, call, call.q, group, tile.first, tile.count);
  places.load_own(1, call, call.dout, group, tile.first, tile.count);
  QueryPairs pairs;
  int position[kOwnEach];
#pragma unroll
  for (int i = 0; i < kOwnEach; ++i) {
    const int r = side_y() + i * kSide;
    position[i] = call.position(tile.first + r);
    pairs.of_row[i] = r < tile.count ? call.term(group, tile.first + r) : RowTerm{INFINITY, 0.0F};
  }
  float dq[kChunks][kOwnEach][4] = {};
  const int blocks = tile.keys.count(kOther);
  for (int b = 0; b < blocks; ++b) {
    const KeyBlock block = KeyBlock::at(tile.keys, b, kOther);
#pragma unroll
    for (int i = 0; i < kOwnEach; ++i) pairs.keys[i] = block.open(position[i]);
    const Others others = {block.memory ? tile.keys.k_memory : tile.keys.k,
                           block.memory ? tile.keys.v_memory : tile.keys.v, group, block.first,
                           block.count};
    meet<false>(places, call, others, pairs, dq, dq);
  }
  write_sums(dq, tile.dq, group, tile.first, tile.count, call.dim, call.gradient, false);
}

template <int kChunks>
__device__ __forceinline__ void make_key_gradients(const Places<kChunks>& places,
                                                   const KeyTile<float>& tile, int group) {
  const GradientCall<float>& call = tile.call;
  __syncthreads();  // all have done with the tile before
  places.load_own(0, call, tile.k, group, tile.first, tile.count);
  places.load_own(1, call, tile.v, group, tile.first, tile.count);
  float dk[kChunks][kOwnEach][4] = {};
  float dv[kChunks][kOwnEach][4] = {};
  for (int first = tile.begin; first < tile.end; first += kOther) {
    KeyPairs pairs;
#pragma unroll
    for (int j = 0; j < kOtherEach; ++j) {
      const int r = first + side_x() + j * kSide;
      const bool there = r < tile.end;
      pairs.of_row[j] = there ? call.term(group, r) : RowTerm{INFINITY, 0.0F};
      pairs.keys[j] = there ? tile.open(r) : 0;
    }
    const Others others = {call.q, call.dout, group, first, min(kOther, tile.end - first)};
    meet<true>(places, call, others, pairs, dk, dv);
  }
  if (!tile.memory) {
    write_sums(dk, tile.dk, group, tile.first, tile.count, call.dim, call.gradient, false);
    write_sums(dv, tile.dv, group, tile.first, tile.count, call.dim, 1.0F, false);
    return;
  }
  // A thread has the same elements of every tile that it goes on with.
  if (tile.dk_memory.data != nullptr) {
    write_sums(dk, tile.dk_memory, group, tile.first, tile.count, call.dim, call.gradient, true);
  }
  if (tile.dv_memory.data != nullptr) {
    write_sums(dv, tile.dv_memory, group, tile.first, tile.count, call.dim, 1.0F, true);
  }
}

template <int kChunks>
__global__ void __launch_bounds__(kPlainThreads, 1)
    key_gradients(const __grid_constant__ DeviceTable<KeyTile<float>> tiles) {
  int index = static_cast<int>(blockIdx.x);
  const int group = static_cast<int>(blockIdx.y);
  if (group >= tiles[index].call.groups || tiles[index].goes_on) return;
  const Places<kChunks> places;
  bool more = true;
  while (more) {
    make_key_gradients(places, tiles[index], group);
    more = tiles[index].more;
    ++index;
  }
}

}  // namespace

void attend_backward_plain(Context& context, const GradientBatch<float>& batch) {
  dispatch_chunks(batch.dim, [&](auto chunks) {
    constexpr int kChunks = decltype(chunks)::value;
    constexpr size_t kBytes = Places<kChunks>::kFloats * sizeof(float);
    if (batch.key_grid.x > 0) {
      launch(context, "attention_backward keys", {batch.key_grid, kPlainThreads, kBytes},
             key_gradients<kChunks>, batch.keys);
    }
    if (batch.query_grid.x > 0) {
      launch(context, "attention_backward queries", {batch.query_grid, kPlainThreads, kBytes},
             query_gradients<kChunks>, batch.queries);
    }
  });
}

}  // namespace memlong::ops::device
