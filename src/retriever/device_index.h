// A flat index that a device searches. Internal to the retriever.
#pragma once

#include <memory>

#include "retriever/index.h"
#include "retriever/row_scan.h"

namespace memlong::retriever {

/// A flat index that shows its rows; the view is good until the next change.
class RowIndex : public VectorIndex {
 public:
  [[nodiscard]] virtual RowView rows() const = 0;
};

/// `rows` with searches on options.device: the same hits with the same scores, whatever the
/// device's rounding is. It fetches more rows than are wanted, scores them again in main memory,
/// and takes the answer only where no row that was not fetched can belong to it; else it fetches
/// more, and in the end looks at all rows in main memory. The device may fail: that is said once,
/// and the processor goes on alone.
std::unique_ptr<VectorIndex> make_device_index(std::unique_ptr<RowIndex> rows,
                                               const IndexOptions& options);

}  // namespace memlong::retriever
