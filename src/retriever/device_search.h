// Exact search with a device that only knows near enough scores. Internal to the retriever.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "retriever/device_mirror.h"
#include "retriever/row_scan.h"

namespace memlong::retriever {

/// What scan_rows() gives for each of the queries [E], k > 0, bit for bit. `mirror` follows `rows`
/// and has something loaded. A query whose answer the device cannot prove is looked up in `rows`.
/// Errors: device.
std::vector<std::vector<Hit>> search_on_device(const SearchDevice& device,
                                               const DeviceMirror& mirror, const RowView& rows,
                                               std::span<const std::span<const float>> queries,
                                               int64_t k, const IdFilter& filter, int threads);

}  // namespace memlong::retriever
