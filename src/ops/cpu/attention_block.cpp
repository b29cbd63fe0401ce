#include "ops/cpu/attention_block.h"

#include <algorithm>
#include <cmath>
#include <cstddef>

#include "ops/cpu/block_gemm.h"
#include "ops/cpu/convert.h"
#include "ops/cpu/vec.h"

namespace memlong::ops::cpu {

AttentionBuffers::AttentionBuffers(float* memory, int64_t rows, int64_t head_dim)
    : row_stride(round_to_lanes(rows)), dim_stride(round_to_lanes(head_dim)) {
  const auto take = [&](int64_t count) {
    float* part = memory;
    memory += count;
    return part;
  };
  q = take(head_dim * row_stride);
  k = take(kKeyBlock * dim_stride);
  v = take(kKeyBlock * dim_stride);
  scores = take(kKeyBlock * row_stride);
  sums = take(row_stride * dim_stride);
  largest = take(row_stride);
  total = take(row_stride);
  shrink = take(row_stride);
  position = take(row_stride);
}

int64_t AttentionBuffers::floats(int64_t rows, int64_t head_dim) {
  const int64_t r = round_to_lanes(rows);
  const int64_t d = round_to_lanes(head_dim);
  return head_dim * r + 2 * kKeyBlock * d + kKeyBlock * r + r * d + 4 * r;
}

void key_to_f32(const KeyRows& keys, int64_t index, float* to, int64_t count) {
  if (keys.dtype == DType::f32) {
    row_to_f32<float>(static_cast<const float*>(keys.data) + index * keys.stride, to, count);
  } else {
    row_to_f32<bf16>(static_cast<const bf16*>(keys.data) + index * keys.stride, to, count);
  }
}

AttentionBlock::AttentionBlock(AttentionBuffers buffers, int64_t rows, int64_t head_dim)
    : b_(buffers), rows_(rows), head_dim_(head_dim) {
  std::fill_n(b_.q, head_dim * b_.row_stride, 0.0F);
  std::fill_n(b_.v, kKeyBlock * b_.dim_stride, 0.0F);
  std::fill_n(b_.sums, b_.row_stride * b_.dim_stride, 0.0F);
  std::fill_n(b_.largest, b_.row_stride, -INFINITY);
  std::fill_n(b_.total, b_.row_stride, 0.0F);
  std::fill_n(b_.position, b_.row_stride, INFINITY);
}

void AttentionBlock::set_row(int64_t row, const float* query, float scale, int64_t position) {
  for (int64_t d = 0; d < head_dim_; ++d) b_.q[d * b_.row_stride + row] = query[d] * scale;
  b_.position[row] = static_cast<float>(position);
}

void AttentionBlock::read(const KeyRows& k, const KeyRows& v, int64_t begin, int64_t end,
                          bool causal) {
  for (int64_t i = begin; i < end; i += kKeyBlock) {
    read_block(k, v, i, std::min(kKeyBlock, end - i), causal);
  }
}

void AttentionBlock::read_block(const KeyRows& k, const KeyRows& v, int64_t begin, int64_t count,
                                bool causal) {
  for (int64_t i = 0; i < count; ++i) {
    key_to_f32(k, begin + i, b_.k + i * b_.dim_stride, head_dim_);
    key_to_f32(v, begin + i, b_.v + i * b_.dim_stride, head_dim_);
  }
  block_gemm({b_.k, b_.dim_stride, 1}, b_.q, b_.row_stride, head_dim_, b_.scores, b_.row_stride,
             count, b_.row_stride, false);
  softmax(begin, count, causal);
  for (int64_t r = 0; r < rows_; ++r) {
    if (b_.shrink[r] == 1.0F) continue;
    float* sums = b_.sums + r * b_.dim_stride;
    for (int64_t d = 0; d < b_.dim_stride; ++d) sums[d] *= b_.shrink[r];
  }
  block_gemm({b_.scores, 1, b_.row_stride}, b_.v, b_.dim_stride, count, b_.sums, b_.dim_stride,
             rows_, b_.dim_stride, true);
}

/// Scores become exp(score - largest so far). Every row has met an allowed key by its first block:
/// memory has no mask, and local key 0 is allowed to all.
void AttentionBlock::softmax(int64_t begin, int64_t count, bool causal) {
  for (int64_t r = 0; r < b_.row_stride; r += kLanes) {
    float* column = b_.scores + r;
    const Vec position = load(b_.position + r);
    const Vec before = load(b_.largest + r);
    Vec largest = before;
    for (int64_t i = 0; i < count; ++i) {
      Vec score = load(column + i * b_.row_stride);
      if (causal) {
        const Vec key = broadcast(static_cast<float>(begin + i));
        score = key > position ? broadcast(-INFINITY) : score;
        store(column + i * b_.row_stride, score);
      }
      largest = max(score, largest);
    }
    Vec sum{};
    for (int64_t i = 0; i < count; ++i) {
      const Vec weight = exp(load(column + i * b_.row_stride) - largest);
      store(column + i * b_.row_stride, weight);
      sum += weight;
    }
    const Vec shrink = exp(before - largest);
    store(b_.shrink + r, shrink);
    store(b_.total + r, load(b_.total + r) * shrink + sum);
    store(b_.largest + r, largest);
  }
}

void AttentionBlock::finish(int64_t row, float* out) const {
  const float scale = 1.0F / b_.total[row];
  for (int64_t d = 0; d < head_dim_; ++d) out[d] = b_.sums[row * b_.dim_stride + d] * scale;
}

float AttentionBlock::log_sum_exp(int64_t row) const {
  return b_.largest[row] + std::log(b_.total[row]);
}

}  // namespace memlong::ops::cpu
