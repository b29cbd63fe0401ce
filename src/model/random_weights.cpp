#include <algorithm>
#include <cmath>
#include <cstring>
#include <numbers>

#include "model/weights.h"

namespace memlong::model {
namespace {

/// SplitMix64 (Steele, Lea, Flood 2014): enough for weights that only have to look random.
class SplitMix {
 public:
  explicit SplitMix(uint64_t seed) : state_(seed) {}
  uint64_t next() {
    uint64_t z = state_ += 0x9E3779B97F4A7C15U;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9U;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBU;
    return z ^ (z >> 31);
  }
  /// In (0, 1].
  double uniform() { return (static_cast<double>(next() >> 11) + 1.0) * 0x1p-53; }

 private:
  uint64_t state_;
};

constexpr size_t kTable = size_t{1} << 16;  ///< normal values drawn once ...
constexpr size_t kRun = 1024;               ///< ... and copied in runs from random places
constexpr double kDeviation = 0.02;

template <class T>
std::vector<T> normal_table(SplitMix& random) {
  std::vector<T> table;
  table.reserve(kTable);
  while (table.size() < kTable) {
    const double radius = kDeviation * std::sqrt(-2.0 * std::log(random.uniform()));
    const double angle = 2.0 * std::numbers::pi * random.uniform();
    table.push_back(T(static_cast<float>(radius * std::cos(angle))));
    table.push_back(T(static_cast<float>(radius * std::sin(angle))));
  }
  return table;
}

template <class T>
std::vector<Tensor> random_tensors(const std::vector<std::pair<std::string, Shape>>& shapes,
                                   DType dtype, uint64_t seed) {
  SplitMix random(seed);
  const std::vector<T> table = normal_table<T>(random);
  std::vector<Tensor> tensors;
  for (const auto& [name, shape] : shapes) {
    Tensor tensor(shape, dtype);
    T* to = tensor.data<T>();
    const auto count = static_cast<size_t>(shape.elements());
    if (name.ends_with("norm.weight")) {
      std::fill(to, to + count, T(1.0F));
    } else {
      for (size_t i = 0; i < count; i += kRun) {
        const size_t length = std::min(kRun, count - i);
        const size_t from = random.next() % (kTable - kRun);
        std::memcpy(to + i, table.data() + from, length * sizeof(T));
      }
    }
    tensors.push_back(std::move(tensor));
  }
  return tensors;
}

}  // namespace

WeightStore WeightStore::random(const ModelConfig& config, DType dtype, uint64_t seed) {
  const auto shapes = tensor_shapes(config);
  WeightStore store;
  store.origin_ = "random weights";
  if (dtype == DType::bf16) {
    store.owned_ = random_tensors<bf16>(shapes, dtype, seed);
  } else if (dtype == DType::f16) {
    store.owned_ = random_tensors<f16>(shapes, dtype, seed);
  } else {
    store.owned_ = random_tensors<float>(shapes, dtype, seed);
  }
  for (size_t i = 0; i < shapes.size(); ++i) {
    store.tensors_[shapes[i].first] = store.owned_[i].view();
  }
  return store;
}

}  // namespace memlong::model
