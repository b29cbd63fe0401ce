#include "tools/memlong-bench/vectors.h"

#include <algorithm>
#include <cmath>

namespace memlong::bench_tool {
namespace {

constexpr float kSpread = 0.8F;  ///< distance from the centre, of length 1

void add_random(std::mt19937_64& random, float length, std::span<float> vector) {
  std::normal_distribution<float> normal(0.0F,
                                         length / std::sqrt(static_cast<float>(vector.size())));
  for (float& number : vector) number += normal(random);
}

}  // namespace

VectorSource::VectorSource(int64_t dim, int64_t centres, uint64_t seed)
    : dim_(dim), centres_(static_cast<size_t>(dim * centres), 0.0F) {
  add_random(random_, std::sqrt(static_cast<float>(centres)), centres_);
  random_.seed(seed);
}

std::vector<float> VectorSource::next(int64_t count) {
  const auto width = static_cast<size_t>(dim_);
  std::uniform_int_distribution<size_t> any(0, centres_.size() / width - 1);
  std::vector<float> vectors(static_cast<size_t>(count) * width);
  for (size_t at = 0; at < vectors.size(); at += width) {
    const auto vector = std::span(vectors).subspan(at, width);
    std::copy_n(centres_.begin() + static_cast<std::ptrdiff_t>(any(random_) * width), width,
                vector.begin());
    add_random(random_, kSpread, vector);
  }
  return vectors;
}

double recall(std::span<const retriever::Hit> found, std::span<const retriever::Hit> right) {
  if (right.empty()) return 1;
  const auto both = std::ranges::count_if(right, [&](const retriever::Hit& wanted) {
    return std::ranges::any_of(found,
                               [&](const retriever::Hit& hit) { return hit.id == wanted.id; });
  });
  return static_cast<double>(both) / static_cast<double>(right.size());
}

}  // namespace memlong::bench_tool
