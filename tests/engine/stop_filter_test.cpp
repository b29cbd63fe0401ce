#include "engine/stop_filter.h"

#include <gtest/gtest.h>

namespace memlong::engine {
namespace {

TEST(StopFilter, HoldsBackOnlyWhatMayBecomeAStop) {
  StopFilter filter({"\nUser:"});
  EXPECT_EQ(filter.push("Hello"), "Hello");
  EXPECT_EQ(filter.push(" there\n"), " there");
  EXPECT_EQ(filter.push("Us"), "");
  EXPECT_EQ(filter.push("ual things"), "\nUsual things");
  EXPECT_FALSE(filter.stopped());
}

TEST(StopFilter, CutsAtTheFirstStop) {
  StopFilter filter({"END", "\nUser:"});
  EXPECT_EQ(filter.push("one\nUser: two END"), "one");
  EXPECT_TRUE(filter.stopped());
  EXPECT_EQ(filter.push("more"), "");
  EXPECT_EQ(filter.finish(), "");
}

TEST(StopFilter, AStopInPieces) {
  StopFilter filter({"###"});
  EXPECT_EQ(filter.push("a#"), "a");
  EXPECT_EQ(filter.push("#"), "");
  EXPECT_EQ(filter.push("#b"), "");
  EXPECT_TRUE(filter.stopped());
}

TEST(StopFilter, WhatWasHeldBackComesAtTheEnd) {
  StopFilter filter({"###", ""});
  EXPECT_EQ(filter.push("a##"), "a");
  EXPECT_EQ(filter.finish(), "##");
  EXPECT_FALSE(filter.stopped());
}

}  // namespace
}  // namespace memlong::engine
