#include "ops/cpu/attention_bf16.h"

#include <cstring>

#include "ops/cpu/bf16_pack.h"

namespace memlong::ops::cpu {

int64_t Bf16Products::row_stride(int64_t rows) { return bf16_extent(rows); }

int64_t Bf16Products::floats(int64_t row_stride, int64_t dim) {
  const int64_t d = bf16_extent(dim);
  return d / 2 * row_stride + kKeyBlock / 2 * row_stride + kKeyBlock * d;
}

Bf16Products::Bf16Products(float* memory, int64_t row_stride, int64_t dim)
    : row_stride_(row_stride),
      dim_(dim),
      dim_stride_(bf16_extent(dim)),
      queries_(reinterpret_cast<uint32_t*>(memory)),
      weights_(queries_ + dim_stride_ / 2 * row_stride),
      keys_(reinterpret_cast<bf16*>(weights_ + kKeyBlock / 2 * row_stride)),
      values_(keys_ + kKeyBlock * dim_stride_) {
  std::memset(queries_, 0, static_cast<size_t>(dim_stride_ / 2 * row_stride) * sizeof(uint32_t));
}

void Bf16Products::set_query(int64_t row, const bf16* query) {
  for (int64_t d = 0; d < dim_; d += 2) {
    std::memcpy(&queries_[d / 2 * row_stride_ + row], query + d, sizeof(uint32_t));
  }
}

void Bf16Products::score(const KeyRows<bf16>& k, int64_t begin, int64_t count, float* scores) {
  const KeyRows<bf16> keys = left_rows(k, begin, count, dim_, keys_);
  bf16_gemm({keys.data, keys.stride, queries_, row_stride_, scores, row_stride_},
            bf16_extent(count), row_stride_, dim_stride_, false);
}

void Bf16Products::pair_weights(const float* weights, int64_t count) {
  for (int64_t i = 0; i < bf16_extent(count); i += 2) {
    for (int64_t row = 0; row < row_stride_; row += kLanes) {
      const float* at = weights + i * row_stride_ + row;
      const VecWord word = interleave(round_halves(i < count ? load(at) : Vec{},
                                                   i + 1 < count ? load(at + row_stride_) : Vec{}));
      std::memcpy(weights_ + i / 2 * row_stride_ + row, &word, sizeof(word));
    }
  }
}

void Bf16Products::add(const KeyRows<bf16>& v, int64_t begin, int64_t count, const float* weights,
                       float* sums) {
  turn_rows(v, begin, count, dim_, values_, kKeyBlock);
  pair_weights(weights, count);
  bf16_gemm({values_, kKeyBlock, weights_, row_stride_, sums, row_stride_}, dim_stride_,
            row_stride_, bf16_extent(count), true);
}

}  // namespace memlong::ops::cpu
