#include "retriever/device_mirror.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "common/error.h"

namespace memlong::retriever {

void DeviceMirror::follow(const RowView& rows) {
  const auto count = static_cast<int64_t>(rows.ids.size());
  covered_ = ids_.empty() ? 0 : std::ranges::upper_bound(rows.ids, ids_.back()) - rows.ids.begin();
  const int64_t behind = count - covered_;
  const int64_t removed = loaded() - covered_;
  const int64_t most_behind = std::clamp(loaded() / 8, fewest_, 4 * fewest_);
  if (behind <= most_behind && removed * 4 <= loaded()) return;
  drop();
  if (count > fewest_) load(rows);
}

void DeviceMirror::drop() {
  on_device_.reset();
  ids_.clear();
  covered_ = 0;
  largest_norm_ = 0;
}

void DeviceMirror::load(const RowView& rows) {
  const auto count = static_cast<int64_t>(rows.ids.size());
  const std::span<const float> vectors(rows.vectors, static_cast<size_t>(count * rows.dim));
  for (int64_t row = 0; row < count; ++row) {
    const double norm = norm_of({rows.vectors + row * rows.dim, static_cast<size_t>(rows.dim)});
    if (std::isnan(norm)) largest_norm_ = std::numeric_limits<double>::infinity();
    largest_norm_ = std::max(largest_norm_, norm);
  }
  on_device_ = device_->load(vectors, rows.dim);
  ids_.assign(rows.ids.begin(), rows.ids.end());
  covered_ = count;
}

int64_t DeviceMirror::row_of(int64_t device_row, const RowView& rows) const {
  MEMLONG_CHECK(device_row >= 0 && device_row < loaded(), "the device names a row that it has not");
  const uint64_t id = ids_[static_cast<size_t>(device_row)];
  const auto covered = rows.ids.first(static_cast<size_t>(covered_));
  const auto place = std::ranges::lower_bound(covered, id);
  return place != covered.end() && *place == id ? place - covered.begin() : -1;
}

double norm_of(std::span<const float> vector) {
  double squares = 0;
  for (const float value : vector) squares += static_cast<double>(value) * value;
  return std::sqrt(squares);
}

}  // namespace memlong::retriever
