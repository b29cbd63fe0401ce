// One block of queries of one kv head against blocks of keys, with a running softmax.
//
// A row is a pair (query, head of the group); rows lie across the lanes of the score block, so
// the maximum and the sum of a row need no shuffles:
//   scores[key, row] = k[key] . (scale q[row])
#pragma once

#include <cstdint>

#include "tensor/tensor.h"

namespace memlong::ops::cpu {

inline constexpr int64_t kKeyBlock = 64;   ///< keys converted and scored at once
inline constexpr int64_t kRowBlock = 128;  ///< rows of a task, or the group's heads if more

/// Buffers of one thread, carved out of one allocation.
struct AttentionBuffers {
  AttentionBuffers(float* memory, int64_t rows, int64_t head_dim);
  /// Floats that a task of `rows` rows needs.
  static int64_t floats(int64_t rows, int64_t head_dim);

  int64_t row_stride;  ///< rows, rounded up to lanes
  int64_t dim_stride;  ///< head_dim, rounded up to lanes
  float* q;            ///< [head_dim, row_stride], scaled
  float* k;            ///< [kKeyBlock, dim_stride]
  float* v;            ///< [kKeyBlock, dim_stride], padded with zeros
  float* scores;       ///< [kKeyBlock, row_stride]
  float* sums;         ///< [rows, dim_stride]: the weighted values so far
  float* largest;      ///< [row_stride]
  float* total;        ///< [row_stride]
  float* shrink;       ///< [row_stride]
  float* position;     ///< [row_stride]: the last local key that a row may read
};

/// Rows of keys (or values) of one kv head.
struct KeyRows {
  const void* data = nullptr;
  int64_t stride = 0;
  DType dtype = DType::f32;
};

class AttentionBlock {
 public:
  AttentionBlock(AttentionBuffers buffers, int64_t rows, int64_t head_dim);

  /// Starts a row: scaled query, position of the last local key it may read.
  void set_row(int64_t row, const float* query, float scale, int64_t position);
  /// Reads keys [begin, end); key i is masked where `causal` and i > the row's position.
  void read(const KeyRows& k, const KeyRows& v, int64_t begin, int64_t end, bool causal);
  /// The row's result, head_dim floats.
  void finish(int64_t row, float* out) const;
  [[nodiscard]] float log_sum_exp(int64_t row) const;

 private:
  void read_block(const KeyRows& k, const KeyRows& v, int64_t begin, int64_t count, bool causal);
  void softmax(int64_t begin, int64_t count, bool causal);

  AttentionBuffers b_;
  int64_t rows_;
  int64_t head_dim_;
};

/// Row `index` as f32 in `to`.
void key_to_f32(const KeyRows& keys, int64_t index, float* to, int64_t count);

}  // namespace memlong::ops::cpu
