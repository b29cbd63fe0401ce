// A search device in main memory, for tests of what is built around one: plain loops, scores that
// are as wrong as it says, and faults on request.
#pragma once

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "common/error.h"
#include "retriever/search_device.h"

namespace memlong::retriever {

class PlainDevice : public SearchDevice {
 public:
  explicit PlainDevice(int64_t most_fetched = 256, double error = 1e-3)
      : most_fetched_(most_fetched), error_(error) {}

  struct Counts {
    int64_t loads = 0;
    int64_t loaded = 0;    ///< rows now there
    int64_t searches = 0;  ///< calls
    int64_t queries = 0;
    int64_t largest_fetch = 0;
  };
  mutable Counts counts;
  bool refuse_load = false;
  bool refuse_search = false;
  bool lose_rows = false;  ///< the last place of each search is empty

  [[nodiscard]] int64_t most_fetched() const override { return most_fetched_; }
  [[nodiscard]] double score_error(int64_t /*dim*/, double query_norm,
                                   double row_norm) const override {
    return (error_ + 1e-5) * query_norm * row_norm;
  }
  std::unique_ptr<DeviceRows> load(std::span<const float> rows, int64_t dim) override;

 private:
  struct Rows;
  int64_t most_fetched_;
  double error_;
};

struct PlainDevice::Rows : DeviceRows {
  Rows(const PlainDevice& of, std::span<const float> all, int64_t width)
      : device(of), vectors(all.begin(), all.end()), dim(width) {
    device.counts.loaded = count();
  }
  ~Rows() override { device.counts.loaded = 0; }
  Rows(const Rows&) = delete;
  Rows& operator=(const Rows&) = delete;

  [[nodiscard]] int64_t count() const { return static_cast<int64_t>(vectors.size()) / dim; }

  /// Off by up to the error, in one direction or the other from row to row.
  [[nodiscard]] double score(const float* query, int64_t row) const {
    const float* vector = vectors.data() + row * dim;
    double product = 0;
    double squares = 0;
    double query_squares = 0;
    for (int64_t i = 0; i < dim; ++i) {
      product += static_cast<double>(query[i]) * static_cast<double>(vector[i]);
      squares += static_cast<double>(vector[i]) * static_cast<double>(vector[i]);
      query_squares += static_cast<double>(query[i]) * static_cast<double>(query[i]);
    }
    const double wrong = static_cast<double>(row * 7919 % 1000) / 500.0 - 1.0;
    return product + wrong * device.error_ * std::sqrt(squares * query_squares);
  }

  void search(std::span<const float> queries, int64_t fetch, std::span<int64_t> rows,
              std::span<float> scores) const override {
    if (device.refuse_search) fail(ErrorKind::device, "the device is broken");
    MEMLONG_CHECK(fetch >= 1 && fetch <= std::min(count(), device.most_fetched_), "fetch");
    const int64_t n = static_cast<int64_t>(queries.size()) / dim;
    ++device.counts.searches;
    device.counts.queries += n;
    device.counts.largest_fetch = std::max(device.counts.largest_fetch, fetch);
    std::vector<std::pair<double, int64_t>> scored(static_cast<size_t>(count()));
    for (int64_t q = 0; q < n; ++q) {
      for (int64_t row = 0; row < count(); ++row) {
        // Equal scores: the later row first, against the order that an index promises.
        scored[static_cast<size_t>(row)] = {-score(queries.data() + q * dim, row), -row};
      }
      std::ranges::sort(scored);
      for (int64_t i = 0; i < fetch; ++i) {
        const auto& [negative, negative_row] = scored[static_cast<size_t>(i)];
        const bool lost = device.lose_rows && i == fetch - 1;
        rows[static_cast<size_t>(q * fetch + i)] = lost ? -1 : -negative_row;
        scores[static_cast<size_t>(q * fetch + i)] = static_cast<float>(lost ? -1e30 : -negative);
      }
    }
  }

  const PlainDevice& device;
  std::vector<float> vectors;
  int64_t dim;
};

inline std::unique_ptr<DeviceRows> PlainDevice::load(std::span<const float> rows, int64_t dim) {
  ++counts.loads;
  MEMLONG_CHECK(counts.loaded == 0, "the rows of before are freed first");
  if (refuse_load) fail(ErrorKind::device, "no memory is left");
  return std::make_unique<Rows>(*this, rows, dim);
}

}  // namespace memlong::retriever
