// Chance that is the same everywhere and whose state is one number.
#pragma once

#include <cstdint>

namespace memlong::train {

/// SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014).
class Random {
 public:
  Random() = default;
  explicit Random(uint64_t seed) : state_(seed) {}

  uint64_t next() {
    state_ += 0x9E3779B97F4A7C15U;
    return mixed(state_);
  }
  /// Uniform in [0, n), n >= 1.
  uint64_t below(uint64_t n) {
    const uint64_t reject = (UINT64_MAX - n + 1) % n;  // 2^64 mod n values would come too often
    uint64_t value = next();
    while (value < reject) value = next();
    return value % n;
  }
  int64_t below(int64_t n) { return static_cast<int64_t>(below(static_cast<uint64_t>(n))); }
  /// Uniform in [0, 1).
  double uniform() { return static_cast<double>(next() >> 11U) * 0x1.0p-53; }

  [[nodiscard]] uint64_t state() const { return state_; }

  /// Another seed for each pair.
  static uint64_t combine(uint64_t a, uint64_t b) {
    return mixed(mixed(a + 0x9E3779B97F4A7C15U) ^ b);
  }

 private:
  static uint64_t mixed(uint64_t z) {
    z = (z ^ (z >> 30U)) * 0xBF58476D1CE4E5B9U;
    z = (z ^ (z >> 27U)) * 0x94D049BB133111EBU;
    return z ^ (z >> 31U);
  }

  uint64_t state_ = 0;
};

}  // namespace memlong::train
