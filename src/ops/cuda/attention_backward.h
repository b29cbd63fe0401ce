// The kernels of attention_backward() for one batch, queued by attention_backward.cu: first the
// terms of rows, then dk and dv by blocks of keys and dq by blocks of rows. Two of the five
// products are made twice; in return nothing is added to by several blocks, and sums have an order.
#pragma once

#include <type_traits>
#include <vector>

#include "ops/cuda/attention_tile.h"
#include "ops/cuda/launch.h"

namespace memlong::ops::device {

/// What the gradient needs to know of a row.
struct RowTerm {
  float lse;    ///< in powers of two
  float delta;  ///< dout . out
};

/// A call as its row terms need it.
template <class T>
struct TermsOfCall {
  HeadRows<const T> out;
  HeadRows<const T> dout;
  HeadRows<const float> lse;
  RowTerm* terms;  ///< [G, rows]
  int groups;
  int rows;  ///< of a kv head
  int dim;
};

/// What the tiles of a call have in common.
template <class T>
struct GradientCall {
  HeadRows<const T> q;
  HeadRows<const T> dout;
  const RowTerm* terms;
  int groups;
  int rows;  ///< of a kv head
  int offset;
  int dim;
  int width;       ///< common_width() of all that is loaded
  float scale;     ///< of scores in powers of two
  float gradient;  ///< of sums: args.scale

  __device__ __forceinline__ int position(int row) const { return offset + row / q.heads; }
  __device__ __forceinline__ RowTerm term(int group, int row) const {
    return terms[static_cast<int64_t>(group) * rows + row];
  }
};

/// Rows [first, first + count) of every kv head, of which dq is wanted.
template <class T>
struct QueryTile {
  GradientCall<T> call;
  KeyBlocks<T> keys;
  HeadRows<T> dq;
  bool paired;  ///< rows of dq start on 4 bytes
  int first;
  int count;
};

/// Keys [first, first + count) of every kv head, of which dk and dv are wanted.
template <class T>
struct KeyTile {
  GradientCall<T> call;
  HeadRows<const T> k;
  HeadRows<const T> v;
  HeadRows<T> dk;  ///< of the window, written
  HeadRows<T> dv;
  HeadRows<float> dk_memory;  ///< of memory, added to; data null: not wanted
  HeadRows<float> dv_memory;
  bool memory;
  bool paired;  ///< rows of dk and dv start on 4 bytes
  int first;
  int count;
  int begin;  ///< rows [begin, end) read them, of the window's from their position on
  int end;
  bool goes_on;  ///< another tile was before this one: the block that has that one has this one too
  bool more;     ///< the next tile goes on

  /// How many of the tile's keys a row reads; may be negative or more than all.
  __device__ __forceinline__ int open(int row) const {
    return memory ? count : call.position(row) + 1 - first;
  }
};

template <class T>
struct GradientBatch {
  DeviceTable<QueryTile<T>> queries;
  DeviceTable<KeyTile<T>> keys;
  dim3 query_grid;  ///< tiles, kv heads at most; 0 tiles: none
  dim3 key_grid;
  int dim = 0;  ///< at most
};

/// Rows and keys of a tile, which depend on the kernels for T.
template <class T>
inline constexpr int kGradientTile = std::is_same_v<T, bf16> ? 64 : 32;

void attention_row_terms(Context& context, const std::vector<TermsOfCall<float>>& calls);
void attention_row_terms(Context& context, const std::vector<TermsOfCall<bf16>>& calls);
void attend_backward_plain(Context& context, const GradientBatch<float>& batch);
/// On tensor cores.
void attend_backward_mma(Context& context, const GradientBatch<bf16>& batch);

}  // namespace memlong::ops::device
