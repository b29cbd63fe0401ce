// A flat index twice, on the processor alone and with a device: both must find the same.
#pragma once

#include <memory>
#include <span>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "retriever/index.h"

namespace memlong::retriever {

inline void expect_same_hits(const std::vector<Hit>& hits, const std::vector<Hit>& expected) {
  ASSERT_EQ(hits.size(), expected.size());
  for (size_t i = 0; i < hits.size(); ++i) {
    ASSERT_EQ(hits[i].id, expected[i].id) << "place " << i;
    ASSERT_EQ(hits[i].score, expected[i].score) << "place " << i;
  }
}

template <class SomeDevice>
struct IndexPair {
  IndexPair(std::shared_ptr<SomeDevice> with, int64_t device_rows, int64_t dim)
      : device(std::move(with)),
        plain(make_index(dim, {})),
        tested(make_index(dim, {.device = device, .device_rows = device_rows})) {}

  void add(std::span<const uint64_t> ids, std::span<const float> rows) const {
    plain->add(ids, rows);
    tested->add(ids, rows);
  }
  void remove(std::span<const uint64_t> ids) const {
    plain->remove(ids);
    tested->remove(ids);
  }
  void expect_same(std::span<const float> query, int64_t k, const IdFilter& filter = {}) const {
    expect_same_hits(tested->search(query, k, filter), plain->search(query, k, filter));
  }
  /// queries [n, dim], in one call.
  void expect_all_same(std::span<const float> queries, int64_t k,
                       const IdFilter& filter = {}) const {
    const auto dim = static_cast<size_t>(plain->dim());
    std::vector<std::span<const float>> views;
    for (size_t at = 0; at < queries.size(); at += dim) views.push_back(queries.subspan(at, dim));
    const auto expected = plain->search_all(views, k, filter);
    const auto hits = tested->search_all(views, k, filter);
    ASSERT_EQ(hits.size(), expected.size());
    for (size_t q = 0; q < hits.size(); ++q) expect_same_hits(hits[q], expected[q]);
  }

  std::shared_ptr<SomeDevice> device;
  std::unique_ptr<VectorIndex> plain;
  std::unique_ptr<VectorIndex> tested;
};

}  // namespace memlong::retriever
