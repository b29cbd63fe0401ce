#include "ops/cpu/weight_places.h"

#include "common/error.h"

namespace memlong::ops::cpu {
namespace {

/// Rows of a tile are read a cache line at a time.
constexpr int64_t kLeastExtent = 32;

int64_t tile_extent(int64_t block) { return (kLeastExtent + block - 1) / block * block; }

}  // namespace

WeightPlaces::WeightPlaces(const dnnl::memory::desc& layout, bool transposed)
    : transposed_(transposed) {
  const dnnl_memory_desc_t& all = layout.data;
  MEMLONG_CHECK(all.ndims == 2 && all.format_kind == dnnl_blocked && all.offset0 == 0,
                "not a blocked layout of a matrix");
  const dnnl_blocking_desc_t& blocking = all.format_desc.blocking;
  int64_t block[2] = {1, 1};
  for (int i = 0; i < blocking.inner_nblks; ++i) {
    const auto dimension = static_cast<int>(blocking.inner_idxs[i]);
    blocks_.push_back({dimension, blocking.inner_blks[i]});
    block[dimension] *= blocking.inner_blks[i];
  }
  for (int d = 0; d < 2; ++d) strides_[d] = blocking.strides[d];
  rows_ = tile_extent(block[transposed ? 0 : 1]);
  columns_ = tile_extent(block[transposed ? 1 : 0]);
  inside_.reserve(static_cast<size_t>(rows_ * columns_));
  for (int64_t row = 0; row < rows_; ++row) {
    for (int64_t column = 0; column < columns_; ++column) inside_.push_back(of_tile(row, column));
  }
}

int64_t WeightPlaces::of_tile(int64_t row, int64_t column) const {
  return transposed_ ? place(row, column) : place(column, row);
}

int64_t WeightPlaces::place(int64_t k, int64_t n) const {
  int64_t left[2] = {k, n};
  int64_t offset = 0;
  int64_t inner = 1;
  for (auto block = blocks_.rbegin(); block != blocks_.rend(); ++block) {
    int64_t& position = left[block->dimension];
    offset += position % block->size * inner;
    position /= block->size;
    inner *= block->size;
  }
  return offset + left[0] * strides_[0] + left[1] * strides_[1];
}

}  // namespace memlong::ops::cpu
