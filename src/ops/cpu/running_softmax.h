// The softmax of scores that come block by block. Rows (a query of a head) lie across the lanes:
// scores[key, row], so that the maximum and the sum of a row need no shuffles.
#pragma once

#include <cstdint>

namespace memlong::ops::cpu {

class RunningSoftmax {
 public:
  static int64_t floats(int64_t row_stride) { return 4 * row_stride; }
  /// `row_stride` rows, a multiple of kLanes; `memory` holds floats(row_stride).
  RunningSoftmax(float* memory, int64_t row_stride, float scale);

  /// The last local key that a row may read; without this call: all.
  void set_position(int64_t row, int64_t position) {
    position_[row] = static_cast<float>(position);
  }
  /// Turns `count` raw scores of keys begin, begin + 1, ... into exp(scale * score - largest so
  /// far). Where `causal`, keys behind a row's position get 0. Says whether shrink() is not 1.
  bool update(float* scores, int64_t begin, int64_t count, bool causal);
  /// What earlier sums must be multiplied with after update().
  [[nodiscard]] const float* shrink() const { return shrink_; }
  [[nodiscard]] float total(int64_t row) const { return total_[row]; }
  [[nodiscard]] float log_sum_exp(int64_t row) const;

 private:
  bool update_lanes(float* scores, int64_t lane, int64_t begin, int64_t count, bool causal);

  int64_t row_stride_;
  float scale_;
  float* largest_;
  float* total_;
  float* shrink_;
  float* position_;
};

}  // namespace memlong::ops::cpu
