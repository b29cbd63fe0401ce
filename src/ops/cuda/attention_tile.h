// How calls of attention() are cut for the device: what a block of threads is given.
#pragma once

#include <algorithm>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <type_traits>
#include <vector>

#include "ops/attention.h"
#include "ops/cuda/device.cuh"
#include "tensor/cuda/runtime.h"

namespace memlong::ops::device {

/// The rows of every kv head of a tensor. For queries [T, H, D] they are the pairs (query, head of
/// the group), heads fastest; for keys [G, S, D] there is one head.
template <class T>
struct HeadRows {
  T* data = nullptr;
  int64_t group = 0;  ///< elements from one kv head to the next
  int64_t query = 0;  ///< from one query or key to the next
  int64_t head = 0;   ///< from one head of the group to the next
  int heads = 1;

  __device__ __forceinline__ T* row(int g, int r) const {
    const int64_t start = g * group;
    if (heads == 1) return data + start + r * query;
    return data + start + r / heads * query + r % heads * head;
  }
};

/// Of x [T, H, D] or [T, H]; nothing where x is empty.
template <class T>
HeadRows<T> query_rows(const TensorView& x, int64_t groups) {
  using Element = std::remove_const_t<T>;
  if (x.raw() == nullptr) return {};
  const int64_t heads = x.dim(1) / groups;
  return {x.data<Element>(), heads * x.stride(1), x.stride(0), x.stride(1),
          static_cast<int>(heads)};
}

/// Of x [G, S, D].
template <class T>
HeadRows<T> key_rows(const TensorView& x) {
  using Element = std::remove_const_t<T>;
  if (x.raw() == nullptr) return {};
  return {x.data<Element>(), x.stride(0), x.stride(1), 0, 1};
}

/// Rows [first, last) of every kv head of a call, counted over the whole call, all of which read
/// the same memory.
struct RowRange {
  int64_t first;
  int64_t last;
  const MemorySegment* memory;  ///< nullptr: none
};

/// All rows of a call in pieces of at most `rows`.
std::vector<RowRange> cut_rows(const AttentionArgs& args, int64_t rows);

/// How many elements of a row can be loaded at once, of all views: 8, 4 or 1. At most 16 bytes.
int common_width(int64_t dim, std::initializer_list<const TensorView*> views);

/// A table that a kernel takes by value: short ones lie in the kernel's arguments, so that decoding
/// copies nothing, others in scratch memory.
template <class Entry>
struct DeviceTable {
  static constexpr int kFew = std::max<int>(1, static_cast<int>(1536 / sizeof(Entry)));
  Entry few[kFew];
  const Entry* many;

  __device__ __forceinline__ const Entry& operator[](int i) const {
    return many != nullptr ? many[i] : few[i];
  }
};

/// `name` is that of the scratch memory: of one table at a time.
template <class Entry>
DeviceTable<Entry> make_table(Context& context, const std::string& name,
                              const std::vector<Entry>& entries) {
  DeviceTable<Entry> table{};
  if (entries.size() <= static_cast<size_t>(DeviceTable<Entry>::kFew)) {
    std::copy(entries.begin(), entries.end(), table.few);
    return table;
  }
  const auto bytes = static_cast<int64_t>(entries.size() * sizeof(Entry));
  void* memory = context.scratch(name, {bytes}, DType::u8).raw();
  cuda::copy_bytes(context, memory, entries.data(), static_cast<size_t>(bytes));
  table.many = static_cast<const Entry*>(memory);
  return table;
}

/// The keys that rows read, in blocks: those of memory, then those of the window. No
/// block holds both.
template <class T>
struct KeyBlocks {
  HeadRows<const T> k, v;                ///< the window's
  HeadRows<const T> k_memory, v_memory;  ///< unused where memory == 0
  int memory;                            ///< keys
  int local;                             ///< keys that the last row reads

  /// `shift`: so many more of the window are read (AttentionTile::shift).
  __device__ __forceinline__ int count(int keys_of_block, int shift = 0) const {
    return blocks(memory, keys_of_block) + blocks(local + shift, keys_of_block);
  }
  __device__ static __forceinline__ int blocks(int keys, int keys_of_block) {
    return (keys + keys_of_block - 1) / keys_of_block;
  }
};

/// What the rows of a range read.
template <class T>
KeyBlocks<T> keys_of(const AttentionArgs& args, const RowRange& range) {
  KeyBlocks<T> keys{};
  keys.k = key_rows<const T>(args.k);
  keys.v = key_rows<const T>(args.v);
  if (range.memory != nullptr) {
    keys.k_memory = key_rows<const T>(range.memory->k);
    keys.v_memory = key_rows<const T>(range.memory->v);
    keys.memory = static_cast<int>(range.memory->k.dim(1));
  }
  const int64_t heads = args.q.dim(1) / args.k.dim(0);
  const int64_t last = args.offset + (range.last - 1) / heads;  // negative: no local keys
  keys.local = static_cast<int>(std::max<int64_t>(0, last + 1));
  return keys;
}

/// One block of KeyBlocks: keys [first, first + count).
struct KeyBlock {
  bool memory;
  int first;
  int count;
  int last_of_all;  ///< that any row reads

  template <class T>
  __device__ static __forceinline__ KeyBlock at(const KeyBlocks<T>& keys, int index, int size,
                                                int shift = 0) {
    const int of_memory = KeyBlocks<T>::blocks(keys.memory, size);
    const bool memory = index < of_memory;
    const int first = (memory ? index : index - of_memory) * size;
    const int end = memory ? keys.memory : keys.local + shift;
    return {memory, first, min(size, end - first), end - 1};
  }
  /// How many keys of the block a row at position p reads; may be negative or more than all.
  __device__ __forceinline__ int open(int position) const {
    return (memory ? last_of_all : min(position, last_of_all)) + 1 - first;
  }
};

/// Rows [first, first + rows) of every kv head of a call.
template <class T>
struct AttentionTile {
  HeadRows<const T> q;
  KeyBlocks<T> keys;
  HeadRows<T> out;
  HeadRows<float> lse;  ///< data null: not wanted
  int groups;
  int first;
  int rows;
  int offset;  ///< the window position of the call's first query
  /// Null, or where the position lies by the time the kernel runs: the tile's `offset` and
  /// `keys.local` are then those of another position.
  const int32_t* moved_to;
  int dim;
  int width;    ///< common_width() of all that is loaded
  bool paired;  ///< rows of out start on 4 bytes
  float scale;  ///< of scores in powers of two
  /// More than one: the key blocks are shared out over blockIdx.z, whose results go to
  /// sums [pieces, G, rows, D] and sums_lse [pieces, G, rows], not to out and lse.
  int pieces;
  float* sums;
  float* sums_lse;

  /// By how much the query stands behind `offset`. To be added to all positions.
  __device__ __forceinline__ int shift() const {
    return moved_to == nullptr ? 0 : *moved_to - offset;
  }
  /// The window position of row r of the tile.
  __device__ __forceinline__ int position(int r) const { return offset + (first + r) / q.heads; }
};

inline constexpr float kLog2e = 1.44269504088896341F;
inline constexpr float kLn2 = 0.693147180559945309F;

}  // namespace memlong::ops::device
