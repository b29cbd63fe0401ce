#include "retriever/device_search.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "retriever/score_error.h"

namespace memlong::retriever {
namespace {

using Query = std::span<const float>;
using Ranking = std::vector<Hit>;

/// More than is wanted, so that removed and filtered rows seldom need a second look.
constexpr int64_t kMoreThanWanted = 32;
constexpr int64_t kGrowth = 8;

/// What a device found for some queries: [n, fetch].
struct Fetched {
  int64_t fetch = 0;
  std::vector<int64_t> rows;
  std::vector<float> scores;
};

/// One call of search_all() on the device.
class Round {
 public:
  Round(const SearchDevice& device, const DeviceMirror& mirror, const RowView& rows, int64_t k,
        const IdFilter& filter, int threads)
      : device_(device),
        mirror_(mirror),
        rows_(rows),
        k_(k),
        filter_(filter),
        threads_(threads),
        most_(std::min(device.most_fetched(), mirror.loaded())) {}

  std::vector<Ranking> run(std::span<const Query> queries);

 private:
  [[nodiscard]] double margin(Query query) const;
  [[nodiscard]] Ranking of_what_is_behind(Query query) const;
  [[nodiscard]] Fetched fetch(std::span<const Query> queries, std::span<const size_t> open,
                              int64_t count) const;
  [[nodiscard]] bool settle(Query query, double margin, std::span<const int64_t> found,
                            float lowest, Ranking& hits) const;

  const SearchDevice& device_;
  const DeviceMirror& mirror_;
  RowView rows_;
  int64_t k_;
  const IdFilter& filter_;
  int threads_;
  int64_t most_;
};

/// By how much the score of a row that was not fetched may be larger in main memory than the lowest
/// one that was fetched.
double Round::margin(Query query) const {
  const double norm = norm_of(query);
  const double row_norm = mirror_.largest_norm();
  return device_.score_error(rows_.dim, norm, row_norm) +
         score_error_f32(rows_.dim, norm, row_norm);
}

/// The best of the rows that are not on the device.
Ranking Round::of_what_is_behind(Query query) const {
  const int64_t first = mirror_.covered();
  const RowView behind{rows_.vectors + first * rows_.dim,
                       rows_.dim,
                       rows_.ids.subspan(static_cast<size_t>(first)),
                       {}};
  return scan_rows(behind, query, k_, filter_, threads_);
}

Fetched Round::fetch(std::span<const Query> queries, std::span<const size_t> open,
                     int64_t count) const {
  std::vector<float> together;
  together.reserve(open.size() * static_cast<size_t>(rows_.dim));
  for (const size_t i : open) together.insert(together.end(), queries[i].begin(), queries[i].end());
  const size_t places = open.size() * static_cast<size_t>(count);
  Fetched fetched{count, std::vector<int64_t>(places, -1), std::vector<float>(places)};
  mirror_.on_device().search(together, count, fetched.rows, fetched.scores);
  return fetched;
}

/// Makes `hits` (the best of what is behind) the answer; false when it is not proven to be the one.
bool Round::settle(Query query, double margin, std::span<const int64_t> found, float lowest,
                   Ranking& hits) const {
  for (const int64_t device_row : found) {
    if (device_row < 0) return false;
    const int64_t row = mirror_.row_of(device_row, rows_);
    if (row < 0) continue;
    const uint64_t id = rows_.ids[static_cast<size_t>(row)];
    if (filter_ && !filter_(id)) continue;
    hits.push_back({id, inner_product(rows_.vectors + row * rows_.dim, query.data(), rows_.dim)});
  }
  const bool all = static_cast<int64_t>(found.size()) == mirror_.loaded();
  if (!all && static_cast<int64_t>(hits.size()) < k_) return false;
  sort_hits(hits, k_);
  return all || static_cast<double>(hits.back().score) > static_cast<double>(lowest) + margin;
}

std::vector<Ranking> Round::run(std::span<const Query> queries) {
  std::vector<Ranking> answers(queries.size());
  std::vector<Ranking> behind(queries.size());
  std::vector<size_t> open;
  std::vector<size_t> given_up;
  for (size_t i = 0; i < queries.size(); ++i) {
    const bool possible =
        std::isfinite(margin(queries[i])) && (k_ <= most_ || most_ == mirror_.loaded());
    (possible ? open : given_up).push_back(i);
    if (possible) behind[i] = of_what_is_behind(queries[i]);
  }
  const int64_t first = k_ > most_ / 2 ? most_ : std::min(most_, 2 * k_ + kMoreThanWanted);
  for (int64_t count = first; !open.empty(); count = std::min(most_, count * kGrowth)) {
    const Fetched fetched = fetch(queries, open, count);
    std::vector<size_t> left;
    for (size_t place = 0; place < open.size(); ++place) {
      const size_t i = open[place];
      const auto found =
          std::span(fetched.rows)
              .subspan(place * static_cast<size_t>(count), static_cast<size_t>(count));
      Ranking hits = behind[i];
      const float lowest = fetched.scores[(place + 1) * static_cast<size_t>(count) - 1];
      if (settle(queries[i], margin(queries[i]), found, lowest, hits)) {
        answers[i] = std::move(hits);
      } else {
        left.push_back(i);
      }
    }
    open = std::move(left);
    if (count == most_) break;
  }
  given_up.insert(given_up.end(), open.begin(), open.end());
  for (const size_t i : given_up) {
    answers[i] = scan_rows(rows_, queries[i], k_, filter_, threads_);
  }
  return answers;
}

}  // namespace

std::vector<Ranking> search_on_device(const SearchDevice& device, const DeviceMirror& mirror,
                                      const RowView& rows, std::span<const Query> queries,
                                      int64_t k, const IdFilter& filter, int threads) {
  return Round(device, mirror, rows, k, filter, threads).run(queries);
}

}  // namespace memlong::retriever
