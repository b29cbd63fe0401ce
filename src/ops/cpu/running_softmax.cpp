#include "ops/cpu/running_softmax.h"

#include <algorithm>
#include <cmath>

#include "ops/cpu/vec.h"

namespace memlong::ops::cpu {

RunningSoftmax::RunningSoftmax(float* memory, int64_t row_stride, float scale)
    : row_stride_(row_stride),
      scale_(scale),
      largest_(memory),
      total_(memory + row_stride),
      shrink_(memory + 2 * row_stride),
      position_(memory + 3 * row_stride) {
  std::fill_n(largest_, row_stride, -INFINITY);
  std::fill_n(total_, row_stride, 0.0F);
  std::fill_n(position_, row_stride, INFINITY);
}

bool RunningSoftmax::update(float* scores, int64_t begin, int64_t count, bool causal) {
  bool shrinks = false;
  for (int64_t lane = 0; lane < row_stride_; lane += kLanes) {
    shrinks |= update_lanes(scores + lane, lane, begin, count, causal);
  }
  return shrinks;
}

/// Every row has met an allowed key by its first block: memory has no mask, and local key 0 is
/// allowed to all. So `largest` is finite and a masked score becomes exp(-inf) = 0.
bool RunningSoftmax::update_lanes(float* scores, int64_t lane, int64_t begin, int64_t count,
                                  bool causal) {
  const Vec before = load(largest_ + lane);
  Vec largest = before;
  if (causal) {
    const Vec position = load(position_ + lane);
    for (int64_t i = 0; i < count; ++i) {
      float* at = scores + i * row_stride_;
      const Vec key = broadcast(static_cast<float>(begin + i));
      const Vec score = key > position ? broadcast(-INFINITY) : load(at) * scale_;
      store(at, score);
      largest = max(score, largest);
    }
  } else {
    for (int64_t i = 0; i < count; ++i) {
      float* at = scores + i * row_stride_;
      const Vec score = load(at) * scale_;
      store(at, score);
      largest = max(score, largest);
    }
  }
  Vec sum{};
  for (int64_t i = 0; i < count; ++i) {
    float* at = scores + i * row_stride_;
    const Vec weight = exp(load(at) - largest);
    store(at, weight);
    sum += weight;
  }
  const Vec shrink = exp(before - largest);
  store(shrink_ + lane, shrink);
  store(total_ + lane, load(total_ + lane) * shrink + sum);
  store(largest_ + lane, largest);
  const VecInt moved = before != largest;
  return sum_of(__builtin_convertvector(moved, Vec)) != 0.0F;
}

float RunningSoftmax::log_sum_exp(int64_t row) const {
  return largest_[row] + std::log(total_[row]);
}

}  // namespace memlong::ops::cpu
