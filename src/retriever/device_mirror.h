// What of an index lies on a device, and what of that still lives. Internal to the retriever.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "retriever/row_scan.h"
#include "retriever/search_device.h"

namespace memlong::retriever {

/// Rows are loaded all together and never changed on the device: what was added since is not there
/// ("behind"), what was removed since is there and must be passed over. When either is too much,
/// follow() loads anew. Not thread-safe.
class DeviceMirror {
 public:
  /// Fewer than `fewest` rows are not worth a load.
  DeviceMirror(std::shared_ptr<SearchDevice> device, int64_t fewest)
      : device_(std::move(device)), fewest_(fewest) {}

  /// Call it before the others, with the index's rows as they are now. The old rows are freed
  /// before new ones are loaded. Errors: device; then nothing is loaded.
  void follow(const RowView& rows);

  [[nodiscard]] int64_t loaded() const { return static_cast<int64_t>(ids_.size()); }
  /// The first so many rows of the index are on the device, those behind them are not.
  [[nodiscard]] int64_t covered() const { return covered_; }
  /// Where a row of the device is in the index now; -1: it was removed.
  [[nodiscard]] int64_t row_of(int64_t device_row, const RowView& rows) const;
  [[nodiscard]] double largest_norm() const { return largest_norm_; }
  [[nodiscard]] const DeviceRows& on_device() const { return *on_device_; }

 private:
  void drop();
  void load(const RowView& rows);

  std::shared_ptr<SearchDevice> device_;
  int64_t fewest_;
  std::unique_ptr<DeviceRows> on_device_;
  std::vector<uint64_t> ids_;  // of the device's rows, rising
  int64_t covered_ = 0;
  double largest_norm_ = 0;
};

/// Euclidean, in double.
double norm_of(std::span<const float> vector);

}  // namespace memlong::retriever
