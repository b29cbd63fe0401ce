// Counts what a device does. An index that gave its device up finds the same as ever: only a count
// tells that it did.
#pragma once

#include <atomic>
#include <memory>
#include <utility>

#include "common/error.h"
#include "retriever/search_device.h"

namespace memlong::retriever {

class WatchedDevice : public SearchDevice {
  template <class Work>
  auto counted(Work work) const {
    try {
      return work();
    } catch (const Error&) {
      ++counts.failures;
      throw;
    }
  }

 public:
  explicit WatchedDevice(std::shared_ptr<SearchDevice> of) : of_(std::move(of)) {}

  struct Counts {
    std::atomic<int64_t> loads = 0;
    std::atomic<int64_t> searches = 0;  ///< calls
    std::atomic<int64_t> failures = 0;
  };
  mutable Counts counts;

  [[nodiscard]] int64_t most_fetched() const override { return of_->most_fetched(); }
  [[nodiscard]] double score_error(int64_t dim, double query_norm, double row_norm) const override {
    return of_->score_error(dim, query_norm, row_norm);
  }
  std::unique_ptr<DeviceRows> load(std::span<const float> rows, int64_t dim) override {
    ++counts.loads;
    return counted([&] { return std::make_unique<Rows>(*this, of_->load(rows, dim)); });
  }

 private:
  struct Rows : DeviceRows {
    Rows(const WatchedDevice& on, std::unique_ptr<DeviceRows> rows)
        : device(on), of(std::move(rows)) {}
    void search(std::span<const float> queries, int64_t fetch, std::span<int64_t> rows,
                std::span<float> scores) const override {
      ++device.counts.searches;
      device.counted([&] { of->search(queries, fetch, rows, scores); });
    }
    const WatchedDevice& device;
    std::unique_ptr<DeviceRows> of;
  };

  std::shared_ptr<SearchDevice> of_;
};

}  // namespace memlong::retriever
