#include <algorithm>
#include <cmath>

#include "common/error.h"
#include "retriever/embedder.h"
#include "retriever/sif_rows.h"
#include "retriever/unit_vector.h"

namespace memlong::retriever {
namespace {

constexpr int kMaxIterations = 200;
constexpr double kEnough = 1e-9;

std::vector<float> smoothed_probability(std::span<const int32_t> ids, int64_t vocab) {
  std::vector<double> counts(static_cast<size_t>(vocab), 1.0);
  for (const int32_t id : ids) {
    MEMLONG_CHECK(id >= 0 && id < vocab,
                  "token " + std::to_string(id) + " is outside the embedding table");
    counts[static_cast<size_t>(id)] += 1.0;
  }
  const double total = static_cast<double>(ids.size()) + static_cast<double>(vocab);
  std::vector<float> probability(counts.size());
  std::ranges::transform(counts, probability.begin(),
                         [&](double count) { return static_cast<float>(count / total); });
  return probability;
}

/// means [N, C] of the chunks, the last of them perhaps shorter.
std::vector<float> chunk_means(const SifRows& rows, std::span<const int32_t> ids, int64_t chunk) {
  std::vector<float> means;
  std::vector<double> mean(static_cast<size_t>(rows.width()));
  for (size_t begin = 0; begin < ids.size(); begin += static_cast<size_t>(chunk)) {
    const size_t count = std::min(ids.size() - begin, static_cast<size_t>(chunk));
    rows.mean(ids.subspan(begin, count), mean);
    means.insert(means.end(), mean.begin(), mean.end());
  }
  return means;
}

/// A fixed direction that no text is orthogonal to: numbers of a linear congruential generator.
std::vector<double> start_direction(size_t width) {
  std::vector<double> direction(width);
  uint64_t state = 1;
  for (double& value : direction) {
    state = state * 6364136223846793005U + 1442695040888963407U;
    value = static_cast<double>(state >> 11) / 9007199254740992.0 - 0.5;
  }
  const double norm = length(std::span(direction));
  for (double& value : direction) value /= norm;
  return direction;
}

/// next = X^T X direction, for X [N, C].
void multiply(std::span<const float> rows, std::span<const double> direction,
              std::span<double> next) {
  const size_t width = direction.size();
  std::ranges::fill(next, 0.0);
  for (size_t begin = 0; begin < rows.size(); begin += width) {
    const std::span<const float> row = rows.subspan(begin, width);
    const double along = dot(row, direction);
    for (size_t i = 0; i < width; ++i) next[i] += along * static_cast<double>(row[i]);
  }
}

/// By power iteration; of the two signs the one whose largest entry is positive.
std::vector<float> first_component(std::span<const float> rows, size_t width) {
  std::vector<double> direction = start_direction(width);
  std::vector<double> next(width);
  for (int iteration = 0; iteration < kMaxIterations; ++iteration) {
    multiply(rows, direction, next);
    const double norm = length(std::span(next));
    if (!(norm > 0.0)) return std::vector<float>(width, 0.0F);
    double change = 0.0;
    for (size_t i = 0; i < width; ++i) {
      next[i] /= norm;
      change = std::max(change, std::abs(next[i] - direction[i]));
    }
    direction.swap(next);
    if (change < kEnough) break;
  }
  const auto largest =
      std::ranges::max_element(direction, {}, [](double value) { return std::abs(value); });
  const double sign = *largest < 0.0 ? -1.0 : 1.0;
  std::vector<float> component(width);
  std::ranges::transform(direction, component.begin(),
                         [&](double value) { return static_cast<float>(sign * value); });
  return component;
}

}  // namespace

std::vector<float> sif_component(const TensorView& table, std::span<const float> probability,
                                 std::span<const int32_t> ids, int64_t chunk) {
  MEMLONG_CHECK(table.rank() == 2 && chunk > 0, "sif_component needs a table and a chunk size");
  const SifRows rows(table, probability, SifParameters().a);
  return first_component(chunk_means(rows, ids, chunk), static_cast<size_t>(table.dim(1)));
}

SifParameters estimate_sif(Context& /*context*/, const TensorView& table,
                           std::span<const int32_t> ids, int64_t chunk) {
  MEMLONG_CHECK(table.rank() == 2, "estimate_sif needs a table [V, C]");
  SifParameters parameters;
  parameters.token_probability = smoothed_probability(ids, table.dim(0));
  parameters.component = sif_component(table, parameters.token_probability, ids, chunk);
  return parameters;
}

}  // namespace memlong::retriever
