#include "ops/sampling.h"

#include <algorithm>
#include <cmath>
#include <unordered_map>

#include "common/error.h"
#include "ops/cpu/selection.h"

namespace memlong::ops {
namespace {

using Candidates = std::vector<Scored>;  // value: the logit; best first

bool has_penalties(const SamplingOptions& options) {
  return options.repeat_last_n != 0 &&
         (options.repeat_penalty != 1.0F || options.frequency_penalty != 0.0F ||
          options.presence_penalty != 0.0F);
}

void apply_penalties(std::span<float> logits, std::span<const int32_t> history,
                     const SamplingOptions& options) {
  if (!has_penalties(options)) return;
  if (options.repeat_last_n > 0) {
    history = history.last(std::min(history.size(), static_cast<size_t>(options.repeat_last_n)));
  }
  std::unordered_map<int32_t, int32_t> counts;
  for (const int32_t id : history) ++counts[id];
  for (const auto& [id, count] : counts) {
    if (id < 0 || static_cast<size_t>(id) >= logits.size()) continue;
    float& logit = logits[static_cast<size_t>(id)];
    // A product makes a negative logit smaller, a quotient a positive one.
    logit = logit <= 0.0F ? logit * options.repeat_penalty : logit / options.repeat_penalty;
    logit -= static_cast<float>(count) * options.frequency_penalty + options.presence_penalty;
  }
}

/// Logits more than n standard deviations below the largest are taken out.
void cut_top_n_sigma(std::span<float> logits, float n) {
  if (n <= 0.0F || logits.size() <= 1) return;
  double sum = 0.0;
  size_t count = 0;
  float largest = -INFINITY;
  for (const float logit : logits) {
    if (!std::isfinite(logit)) continue;
    sum += logit;
    ++count;
    largest = std::max(largest, logit);
  }
  if (count == 0) return;
  const double mean = sum / static_cast<double>(count);
  double squares = 0.0;
  for (const float logit : logits) {
    if (std::isfinite(logit)) squares += (logit - mean) * (logit - mean);
  }
  const double deviation = std::sqrt(squares / static_cast<double>(count));
  const auto limit = static_cast<float>(largest - n * deviation);
  for (float& logit : logits) {
    if (logit < limit) logit = -INFINITY;
  }
}

/// Softmax of the candidates, in double so that the sum is 1.
std::vector<double> probabilities(const Candidates& candidates) {
  std::vector<double> result;
  result.reserve(candidates.size());
  double largest = -INFINITY;
  for (const Scored& c : candidates) largest = std::max(largest, static_cast<double>(c.value));
  double sum = 0.0;
  for (const Scored& c : candidates) {
    result.push_back(std::exp(static_cast<double>(c.value) - largest));
    sum += result.back();
  }
  for (double& p : result) p /= sum;
  return result;
}

/// Keeps the tokens whose surprise is nearest to the expected one, until their mass passes p.
void cut_typical(Candidates& candidates, float p) {
  if (p >= 1.0F) return;
  const std::vector<double> probs = probabilities(candidates);
  double entropy = 0.0;
  for (const double q : probs) entropy -= q > 0.0 ? q * std::log(q) : 0.0;
  std::vector<size_t> order(candidates.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = i;
  const auto distance = [&](size_t i) { return std::abs(-std::log(probs[i]) - entropy); };
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return distance(a) < distance(b); });
  double mass = 0.0;
  size_t kept = 0;
  while (kept < order.size() && !(mass > p)) mass += probs[order[kept++]];
  Candidates rest;
  for (size_t i = 0; i < kept; ++i) rest.push_back(candidates[order[i]]);
  std::sort(rest.begin(), rest.end(), cpu::Better());
  candidates = std::move(rest);
}

/// The shortest head of the list whose mass reaches p.
void cut_top_p(Candidates& candidates, float p) {
  if (p >= 1.0F) return;
  const std::vector<double> probs = probabilities(candidates);
  double mass = 0.0;
  for (size_t i = 0; i < probs.size(); ++i) {
    mass += probs[i];
    if (mass >= p) {
      candidates.resize(i + 1);
      return;
    }
  }
}

/// Tokens at least p times as likely as the most likely one.
void cut_min_p(Candidates& candidates, float p) {
  if (p <= 0.0F) return;
  const float limit = candidates.front().value + std::log(p);
  size_t kept = 1;
  while (kept < candidates.size() && candidates[kept].value >= limit) ++kept;
  candidates.resize(kept);
}

int32_t draw(const Candidates& candidates, std::mt19937_64& generator) {
  const std::vector<double> probs = probabilities(candidates);
  const double point = static_cast<double>(generator() >> 11) * 0x1p-53;
  double mass = 0.0;
  size_t last = 0;
  for (size_t i = 0; i < probs.size(); ++i) {
    if (!(probs[i] > 0.0)) continue;
    mass += probs[i];
    last = i;
    if (point < mass) break;
  }
  return static_cast<int32_t>(candidates[last].index);
}

}  // namespace

int32_t sample(std::span<float> logits, std::span<const int32_t> history,
               const SamplingOptions& options, std::mt19937_64& generator) {
  MEMLONG_CHECK(!logits.empty(), "sampling from no logits");
  apply_penalties(logits, history, options);
  int64_t count = 1;
  if (options.temperature > 0.0F) {
    cut_top_n_sigma(logits, options.top_n_sigma);
    count = options.top_k > 0 ? options.top_k : static_cast<int64_t>(logits.size());
  }
  return sample_best(cpu::select_top(logits, count), options, generator);
}

int64_t candidates_needed(const SamplingOptions& options) {
  if (has_penalties(options)) return 0;
  if (options.temperature <= 0.0F) return 1;
  return options.top_n_sigma > 0.0F ? 0 : std::max(options.top_k, 0);
}

int32_t sample_best(Candidates candidates, const SamplingOptions& options,
                    std::mt19937_64& generator) {
  MEMLONG_CHECK(!candidates.empty(), "sampling from no logits");
  if (options.temperature <= 0.0F) return static_cast<int32_t>(candidates.front().index);
  while (candidates.size() > 1 && !(candidates.back().value > -INFINITY)) candidates.pop_back();
  cut_typical(candidates, options.typical_p);
  cut_top_p(candidates, options.top_p);
  cut_min_p(candidates, options.min_p);
  for (Scored& candidate : candidates) candidate.value /= options.temperature;
  return draw(candidates, generator);
}

}  // namespace memlong::ops
