// The seam between an index and the device that searches for it: plain scores over rows that never
// change. Removal, filters and exact results are the index's part (retriever/device_search.cpp).
#pragma once

#include <cstdint>
#include <memory>
#include <span>

namespace memlong::retriever {

/// Rows on a device; lives no longer than the device. Thread-safe.
class DeviceRows {
 public:
  virtual ~DeviceRows() = default;
  /// For each of the queries [n, E] the `fetch` rows of the largest inner products, best first,
  /// into rows [n, fetch] and scores [n, fetch]; row -1 where none was found. Equal scores come in
  /// any order. `fetch`: at least 1, at most most_fetched() and the number of rows. Errors: device.
  virtual void search(std::span<const float> queries, int64_t fetch, std::span<int64_t> rows,
                      std::span<float> scores) const = 0;
};

/// Thread-safe.
class SearchDevice {
 public:
  virtual ~SearchDevice() = default;
  /// The largest `fetch` of a search.
  [[nodiscard]] virtual int64_t most_fetched() const = 0;
  /// No score of vectors of such norms is farther from the real inner product. Infinity where
  /// nothing is promised.
  [[nodiscard]] virtual double score_error(int64_t dim, double query_norm,
                                           double row_norm) const = 0;
  /// Copies rows [n, dim], n > 0. Errors: device, among them too little memory.
  virtual std::unique_ptr<DeviceRows> load(std::span<const float> rows, int64_t dim) = 0;
};

}  // namespace memlong::retriever
