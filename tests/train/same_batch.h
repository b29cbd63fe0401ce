// Are two batches the same? And does a source depend on nothing but its state?
#pragma once

#include <cstring>
#include <functional>
#include <memory>

#include <gtest/gtest.h>

#include "train/error_line.h"
#include "train/network_fixture.h"
#include "train/source.h"

namespace memlong::train::test {

inline bool same_bits(const Tensor& a, const Tensor& b) {
  if (a.empty() || b.empty()) return a.empty() == b.empty();
  return a.shape() == b.shape() && a.dtype() == b.dtype() &&
         std::memcmp(a.view().raw(), b.view().raw(), a.bytes()) == 0;
}

inline bool same_parts(const std::vector<MemoryPart>& a, const std::vector<MemoryPart>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const auto& x, const auto& y) {
    return x.past == y.past && x.begin == y.begin && x.end == y.end && same_bits(x.k, y.k) &&
           same_bits(x.v, y.v);
  });
}

inline bool same_sequence(const Sequence& a, const Sequence& b) {
  const auto same_segment = [](const SegmentPlan& x, const SegmentPlan& y) {
    return x.begin == y.begin && x.end == y.end && same_parts(x.parts, y.parts);
  };
  const auto same_answer = [](const AnswerRows& x, const AnswerRows& y) {
    return x.begin == y.begin && x.end == y.end;
  };
  return a.ids == b.ids && a.targets == b.targets && a.weights == b.weights &&
         a.position == b.position &&
         std::equal(a.segments.begin(), a.segments.end(), b.segments.begin(), b.segments.end(),
                    same_segment) &&
         std::equal(a.answers.begin(), a.answers.end(), b.answers.begin(), b.answers.end(),
                    same_answer);
}

inline bool same_batch(const Batch& a, const Batch& b) {
  const auto same_past = [](const Past& x, const Past& y) {
    return x.ids == y.ids && x.position == y.position;
  };
  return std::equal(a.pasts.begin(), a.pasts.end(), b.pasts.begin(), b.pasts.end(), same_past) &&
         std::equal(a.sequences.begin(), a.sequences.end(), b.sequences.begin(), b.sequences.end(),
                    same_sequence);
}

/// For sources that need no network: a second source gives the same, one that takes a state up goes
/// on the same, and states of others are refused.
inline void expect_repeatable(const std::function<std::unique_ptr<BatchSource>()>& make) {
  Context context({.threads = 1});
  const auto network = small_network(context, small_config(), {});
  const auto source = make();
  const auto again = make();
  for (int64_t step = 0; step < 5; ++step) {
    EXPECT_TRUE(same_batch(source->next(step), again->next(step))) << step;
  }
  const std::string state = source->state();
  const auto resumed = make();
  resumed->next(0);
  resumed->restore(state, *network);
  EXPECT_EQ(resumed->state(), state);
  for (int64_t step = 5; step < 40; ++step) {
    EXPECT_TRUE(same_batch(source->next(step), resumed->next(step))) << step;
  }
  const auto refused = [&](const std::string& text) {
    return error_line(ErrorKind::mismatch, [&] { resumed->restore(text, *network); });
  };
  EXPECT_EQ(refused("{"), "what was saved is no state of these data");
  std::string other = state;
  other.replace(other.find("made by hand"), 12, "other");
  EXPECT_EQ(refused(other),
            "the state of the data was made with data \"other\", not \"made by hand\"");
  other = state;
  other.replace(other.find("\"random\""), 8, "\"chance\"");
  EXPECT_EQ(refused(other), "what was saved is no state of these data");
}

}  // namespace memlong::train::test
