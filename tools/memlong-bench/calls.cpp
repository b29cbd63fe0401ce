#include "tools/memlong-bench/calls.h"

#include <algorithm>
#include <utility>

#include "common/clock.h"
#include "common/error.h"

namespace memlong::bench_tool {
namespace {

constexpr double kMostCalls = 1e6;

}  // namespace

Calls::Calls(Context& context, std::function<void()> work)
    : context_(context), work_(std::move(work)), records_(context.records()) {
  work_();  // which makes what is made on first use
  prepare();
}

/// What was recorded knows the places of scratch memory.
void Calls::prepare() {
  if (records_ && (graph_.empty() || scratch_ != context_.scratch_changes())) {
    graph_ = {};
    scratch_ = context_.scratch_changes();
    try {
      graph_ = Graph::record(context_, work_);
    } catch (const Error&) {  // it copies from the host, or waits
      records_ = false;
    }
  }
  context_.synchronize();
}

void Calls::call() {
  if (graph_.empty()) {
    work_();
  } else {
    graph_.launch(context_);
  }
}

double Calls::seconds_alone() {
  prepare();
  const Stopwatch watch;
  call();
  context_.synchronize();
  return watch.seconds();
}

double Calls::seconds(double least) {
  const double once = std::max(seconds_alone(), 1e-9);
  const auto count = static_cast<int64_t>(std::clamp(least / once, 1.0, kMostCalls));
  const Stopwatch watch;
  for (int64_t i = 0; i < count; ++i) call();
  context_.synchronize();
  return watch.seconds() / static_cast<double>(count);
}

}  // namespace memlong::bench_tool
