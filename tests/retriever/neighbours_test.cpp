#include "retriever/neighbours.h"

#include <functional>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace memlong::retriever {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

/// Chunks 0 to 9 of one text by their places.
std::vector<int> chosen(const std::vector<int>& found, int64_t top_k, int64_t neighbours) {
  return with_neighbours(std::span<const int>(found), top_k, neighbours, std::equal_to(),
                         [](int chunk) {
                           std::vector<int> beside;
                           if (chunk > 0) beside.push_back(chunk - 1);
                           if (chunk < 9) beside.push_back(chunk + 1);
                           return beside;
                         });
}

TEST(WithNeighbours, NoneAreTheBest) {
  EXPECT_THAT(chosen({5, 2, 8, 1}, 3, 0), ElementsAre(5, 2, 8));
  EXPECT_THAT(chosen({5, 2}, 3, 0), ElementsAre(5, 2));
}

TEST(WithNeighbours, TheBestBringThoseBesideThem) {
  EXPECT_THAT(chosen({5, 2, 8, 1}, 5, 1), ElementsAre(5, 4, 6, 2, 8));
  EXPECT_THAT(chosen({5, 2, 8, 1}, 8, 2), ElementsAre(5, 4, 6, 2, 1, 3, 8));
}

TEST(WithNeighbours, AtTheEndsThereIsOne) {
  EXPECT_THAT(chosen({0, 9, 4}, 6, 2), ElementsAre(0, 1, 9, 8, 4));
}

TEST(WithNeighbours, WhatWasBroughtAlongComesOnceAndBringsNothing) {
  EXPECT_THAT(chosen({5, 6, 2}, 8, 2), ElementsAre(5, 4, 6, 2, 1, 3));
  EXPECT_THAT(chosen({5, 7, 2}, 8, 2), ElementsAre(5, 4, 6, 7, 8, 2));
}

TEST(WithNeighbours, NeverMoreThanTopK) {
  EXPECT_THAT(chosen({5, 2, 8}, 2, 3), ElementsAre(5, 4));
  EXPECT_THAT(chosen({5, 2, 8}, 1, 3), ElementsAre(5));
  EXPECT_THAT(chosen({5, 2, 8}, 0, 3), IsEmpty());
  EXPECT_THAT(chosen({}, 4, 3), IsEmpty());
}

}  // namespace
}  // namespace memlong::retriever
