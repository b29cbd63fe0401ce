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

/// Rows [begin, end) that all pass.
struct RowRange {
  int64_t begin = 0;
  int64_t end = 0;
};

/// Filters let whole documents pass or nothing of them, so that there are few ranges.
std::vector<RowRange> passing_rows(const RowView& rows, const IdFilter& filter) {
  const auto count = static_cast<int64_t>(rows.ids.size());
  if (rows.dead.empty() && !filter) return {{0, count}};
  std::vector<RowRange> passing;
  for (int64_t row = 0; row < count; ++row) {
    const auto at = static_cast<size_t>(row);
    if (!rows.dead.empty() && rows.dead[at] != 0) continue;
    if (filter && !filter(rows.ids[at])) continue;
    if (passing.empty() || passing.back().end != row) passing.push_back({row, row});
    passing.back().end = row + 1;
  }
  return passing;
}

bool better(const Hit& a, const Hit& b) {
  return a.score > b.score || (a.score == b.score && a.id < b.id);
}

float score_of(float product) {
  return std::isnan(product) ? -std::numeric_limits<float>::infinity() : product;
}

/// The best of all that were offered.
class BestHits {
 public:
  BestHits(int64_t k, int64_t most) : k_(static_cast<size_t>(k)) {
    hits_.reserve(static_cast<size_t>(std::min(k, most)));
  }
  void offer(const Hit& hit) {
    if (hits_.size() == k_) {
      if (!better(hit, hits_.front())) return;
      std::pop_heap(hits_.begin(), hits_.end(), better);
      hits_.pop_back();
    }
    hits_.push_back(hit);
    std::push_heap(hits_.begin(), hits_.end(), better);  // the worst in front
  }
  [[nodiscard]] const std::vector<Hit>& hits() const { return hits_; }

 private:
  size_t k_;
  std::vector<Hit> hits_;
};

/// Scores the rows from the `first` to before the `last` of all that pass.
void score_rows(const RowView& rows, const float* query, std::span<const RowRange> passing,
                int64_t first, int64_t last, BestHits& best) {
  int64_t before = 0;  // rows in earlier ranges
  for (const RowRange& range : passing) {
    const int64_t begin = range.begin + std::max<int64_t>(0, first - before);
    const int64_t end = std::min(range.end, range.begin + last - before);
    for (int64_t row = begin; row < end; ++row) {
      const float product = inner_product(rows.vectors + row * rows.dim, query, rows.dim);
      best.offer({rows.ids[static_cast<size_t>(row)], score_of(product)});
    }
    before += range.end - range.begin;
    if (before >= last) return;
  }
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
  for (Hit& hit : hits) hit.score = score_of(hit.score);
  const size_t kept = std::min(hits.size(), static_cast<size_t>(std::max<int64_t>(k, 0)));
  std::partial_sort(hits.begin(), hits.begin() + static_cast<std::ptrdiff_t>(kept), hits.end(),
                    better);
  hits.resize(kept);
}

std::vector<Hit> scan_rows(const RowView& rows, std::span<const float> query, int64_t k,
                           const IdFilter& filter, int threads) {
  if (k <= 0) return {};
  const std::vector<RowRange> passing = passing_rows(rows, filter);
  int64_t count = 0;
  for (const RowRange& range : passing) count += range.end - range.begin;
  const int workers = useful_threads(count * rows.dim, threads);
  std::vector<BestHits> best;
  for (int part = 0; part < workers; ++part) best.emplace_back(k, count);
  const auto score_part = [&](int64_t part) {
    score_rows(rows, query.data(), passing, count * part / workers, count * (part + 1) / workers,
               best[static_cast<size_t>(part)]);
  };
  std::vector<std::jthread> helpers;
  for (int part = 1; part < workers; ++part) helpers.emplace_back(score_part, part);
  score_part(0);
  helpers.clear();
  std::vector<Hit> hits;
  for (const BestHits& part : best) {
    hits.insert(hits.end(), part.hits().begin(), part.hits().end());
  }
  sort_hits(hits, k);
  return hits;
}

}  // namespace memlong::retriever
