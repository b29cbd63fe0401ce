#include "tools/memlong-bench/calls.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "common/clock.h"
#include "common/error.h"

namespace memlong::bench_tool {
namespace {

constexpr double kMostCalls = 1e6;
constexpr double kLaunch = 2e-4;      ///< seconds of a launch that are long beside the launching
constexpr double kMostTogether = 64;  ///< calls

}  // namespace

Calls::Calls(Context& context, std::function<void()> work, int64_t together)
    : context_(context),
      work_(std::move(work)),
      together_(std::max<int64_t>(together, 1)),
      records_(context.records()) {
  work_();  // which makes what is made on first use
  prepare();
  if (!records_ || together > 0) return;
  const double once = std::max(timed(1), 1e-9);
  together_ = static_cast<int64_t>(std::clamp(kLaunch / once, 1.0, kMostTogether));
  if (together_ > 1) record(together_);
  if (graph_.empty()) together_ = 1;
}

void Calls::record(int64_t calls) {
  graph_ = {};
  scratch_ = context_.scratch_changes();
  try {
    graph_ = Graph::record(context_, [&] {
      for (int64_t i = 0; i < calls; ++i) work_();
    });
  } catch (const Error&) {  // it copies from the host, or waits
    records_ = false;
  }
}

/// What was recorded knows the places of scratch memory.
void Calls::prepare() {
  if (records_ && (graph_.empty() || scratch_ != context_.scratch_changes())) record(together_);
  if (graph_.empty()) together_ = 1;
  context_.synchronize();
}

void Calls::call() {
  if (graph_.empty()) {
    work_();
  } else {
    graph_.launch(context_);
  }
}

/// Seconds of so many launches, or calls.
double Calls::timed(int64_t count) {
  const Stopwatch watch;
  for (int64_t i = 0; i < count; ++i) call();
  context_.synchronize();
  return watch.seconds();
}

double Calls::seconds(double least) {
  prepare();
  const auto calls = static_cast<double>(together_);
  const double once = std::max(timed(1), 1e-9);
  if (once >= least) return once / calls;
  const double count = std::floor(std::min(least / once, kMostCalls)) + 1;
  return timed(static_cast<int64_t>(count)) / (count * calls);
}

}  // namespace memlong::bench_tool
