#include "tools/memlong-eval/scores.h"

#include <algorithm>
#include <cmath>

#include "common/error.h"

namespace memlong::eval_tool {

double log_probability(const TensorView& logits, std::span<const int32_t> wanted) {
  MEMLONG_CHECK(logits.dim(0) == static_cast<int64_t>(wanted.size()), "a row for every token");
  const int64_t vocab = logits.dim(1);
  double total = 0.0;
  for (size_t t = 0; t < wanted.size(); ++t) {
    const float* row = logits.data<float>() + static_cast<int64_t>(t) * vocab;
    const double largest = *std::max_element(row, row + vocab);
    double sum = 0.0;
    for (int64_t i = 0; i < vocab; ++i) sum += std::exp(row[i] - largest);
    total += row[wanted[t]] - largest - std::log(sum);
  }
  return total;
}

std::vector<int32_t> argmax_rows(const TensorView& logits) {
  std::vector<int32_t> ids;
  const int64_t vocab = logits.dim(1);
  for (int64_t t = 0; t < logits.dim(0); ++t) {
    const float* row = logits.data<float>() + t * vocab;
    ids.push_back(static_cast<int32_t>(std::max_element(row, row + vocab) - row));
  }
  return ids;
}

}  // namespace memlong::eval_tool
