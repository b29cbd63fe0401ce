#include "retriever/row_scan.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <thread>

namespace memlong::retriever {
namespace {

/// A thread is worth starting for this many multiplications (a few milliseconds from memory).
constexpr int64_t kElementsPerThread = int64_t{4} << 20;

int useful_threads(int64_t elements, int limit) {
  const int present = static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));
  const int most = limit > 0 ? limit : present;
  return static_cast<int>(std::clamp<int64_t>(elements / kElementsPerThread, 1, most));
}

std::vector<int64_t> passing_rows(const RowView& rows, const IdFilter& filter) {
  std::vector<int64_t> passing;
  passing.reserve(rows.ids.size());
  for (size_t row = 0; row < rows.ids.size(); ++row) {
    if (!rows.dead.empty() && rows.dead[row] != 0) continue;
    if (filter && !filter(rows.ids[row])) continue;
    passing.push_back(static_cast<int64_t>(row));
  }
  return passing;
}

void score_rows(const RowView& rows, const float* query, std::span<const int64_t> wanted,
                std::span<Hit> hits) {
  for (size_t i = 0; i < wanted.size(); ++i) {
    const int64_t row = wanted[i];
    hits[i] = {rows.ids[static_cast<size_t>(row)],
               inner_product(rows.vectors + row * rows.dim, query, rows.dim)};
  }
}

bool better(const Hit& a, const Hit& b) {
  return a.score > b.score || (a.score == b.score && a.id < b.id);
}

}  // namespace

float inner_product(const float* a, const float* b, int64_t n) {
  constexpr int64_t kLanes = 32;
  float lanes[kLanes] = {};
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    for (int64_t lane = 0; lane < kLanes; ++lane) lanes[lane] += a[i + lane] * b[i + lane];
  }
  for (int64_t lane = 0; i < n; ++i, ++lane) lanes[lane] += a[i] * b[i];
  for (int64_t half = kLanes / 2; half > 0; half /= 2) {
    for (int64_t lane = 0; lane < half; ++lane) lanes[lane] += lanes[lane + half];
  }
  return lanes[0];
}

void sort_hits(std::vector<Hit>& hits, int64_t k) {
  for (Hit& hit : hits) {
    if (std::isnan(hit.score)) hit.score = -std::numeric_limits<float>::infinity();
  }
  const size_t kept = std::min(hits.size(), static_cast<size_t>(std::max<int64_t>(k, 0)));
  std::partial_sort(hits.begin(), hits.begin() + static_cast<std::ptrdiff_t>(kept), hits.end(),
                    better);
  hits.resize(kept);
}

std::vector<Hit> scan_rows(const RowView& rows, std::span<const float> query, int64_t k,
                           const IdFilter& filter, int threads) {
  if (k <= 0) return {};
  const std::vector<int64_t> wanted = passing_rows(rows, filter);
  std::vector<Hit> hits(wanted.size());
  const auto count = static_cast<int64_t>(wanted.size());
  const int workers = useful_threads(count * rows.dim, threads);
  const auto score_part = [&](int64_t part) {
    const auto begin = static_cast<size_t>(count * part / workers);
    const auto end = static_cast<size_t>(count * (part + 1) / workers);
    score_rows(rows, query.data(), std::span(wanted).subspan(begin, end - begin),
               std::span(hits).subspan(begin, end - begin));
  };
  std::vector<std::jthread> helpers;
  for (int part = 1; part < workers; ++part) helpers.emplace_back(score_part, part);
  score_part(0);
  helpers.clear();
  sort_hits(hits, k);
  return hits;
}

}  // namespace memlong::retriever
