// A search device that must not fail unseen.
#pragma once

#include <memory>
#include <utility>

#include "common/error.h"
#include "retriever/search_device.h"

namespace memlong::bench_tool {

/// Fails with another kind of error than a device does. An index would go on without its device,
/// and what is measured then would be the processor.
class NeededDevice : public retriever::SearchDevice {
  template <class Work>
  static auto needed(Work work) {
    try {
      return work();
    } catch (const Error& error) {
      fail(ErrorKind::capacity, error.what());
    }
  }

  struct Rows : retriever::DeviceRows {
    explicit Rows(std::unique_ptr<DeviceRows> rows) : of(std::move(rows)) {}
    void search(std::span<const float> queries, int64_t fetch, std::span<int64_t> rows,
                std::span<float> scores) const override {
      needed([&] { of->search(queries, fetch, rows, scores); });
    }
    std::unique_ptr<DeviceRows> of;
  };

 public:
  explicit NeededDevice(std::shared_ptr<SearchDevice> of) : of_(std::move(of)) {}
  [[nodiscard]] int64_t most_fetched() const override { return of_->most_fetched(); }
  [[nodiscard]] double score_error(int64_t dim, double query_norm, double row_norm) const override {
    return of_->score_error(dim, query_norm, row_norm);
  }
  std::unique_ptr<retriever::DeviceRows> load(std::span<const float> rows, int64_t dim) override {
    return needed([&] { return std::make_unique<Rows>(of_->load(rows, dim)); });
  }

 private:
  std::shared_ptr<SearchDevice> of_;
};

}  // namespace memlong::bench_tool
