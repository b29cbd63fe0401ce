// Vectors to search, and how good a search is.
#pragma once

#include <cstdint>
#include <random>
#include <span>
#include <vector>

#include "retriever/index.h"

namespace memlong::bench_tool {

/// Vectors of about length 1 around common centres, as those of texts lie: in a space where all
/// directions are alike there are no near neighbours to be found. The centres are always the same
/// ones, and so are the vectors of a seed.
class VectorSource {
 public:
  VectorSource(int64_t dim, int64_t centres, uint64_t seed);
  /// [count, dim]
  std::vector<float> next(int64_t count);

 private:
  int64_t dim_;
  std::mt19937_64 random_{1};
  std::vector<float> centres_;  ///< [centres, dim]
};

/// The share of `right`'s ids that `found` has too; 1 when there are none.
double recall(std::span<const retriever::Hit> found, std::span<const retriever::Hit> right);

}  // namespace memlong::bench_tool
