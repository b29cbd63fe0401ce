// Tells a gradient that is far larger than those before it.
#pragma once

#include <algorithm>
#include <cstdint>

namespace memlong::train {

/// The mean is exponential over the steps taken, with a plain mean to begin: over the first
/// kMeanSteps it is that of all.
class SpikeGuard {
 public:
  static constexpr int64_t kUnguardedSteps = 20;  ///< norms move too much at first
  static constexpr int64_t kMeanSteps = 50;

  /// `factor` 0: nothing is a spike.
  explicit SpikeGuard(double factor) : factor_(factor) {}

  /// The largest norm that may be taken after `taken` steps; 0: any.
  [[nodiscard]] double largest(int64_t taken) const {
    return taken < kUnguardedSteps ? 0.0 : factor_ * mean_;
  }
  /// The norm of a step that was taken, the `taken`th (from 1).
  void add(double norm, int64_t taken) {
    mean_ += (norm - mean_) / static_cast<double>(std::clamp<int64_t>(taken, 1, kMeanSteps));
  }
  [[nodiscard]] double mean() const { return mean_; }
  void set_mean(double mean) { mean_ = mean; }

 private:
  double factor_;
  double mean_ = 0.0;
};

}  // namespace memlong::train
