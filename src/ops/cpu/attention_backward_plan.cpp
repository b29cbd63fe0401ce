#include <algorithm>

#include "ops/cpu/attention_backward_group.h"

namespace memlong::ops::cpu {
namespace {

constexpr int64_t kRowBlock = 128;  // rows of a query block, or the group's heads if they are more

void cut(std::vector<KeySpan>& spans, const MemorySegment* memory, const MemoryGradient* gradient,
         int64_t begin, int64_t end) {
  for (int64_t i = begin; i < end; i += kKeyBlock) {
    spans.push_back({memory, gradient, i, std::min(i + kKeyBlock, end)});
  }
}

}  // namespace

std::vector<KeySpan> plan_keys(const AttentionBackwardArgs& args) {
  std::vector<KeySpan> spans;
  for (size_t i = 0; i < args.forward.memory.size(); ++i) {
    const MemorySegment& segment = args.forward.memory[i];
    if (segment.k.empty() || segment.begin == segment.end) continue;
    const MemoryGradient* gradient = args.memory.empty() ? nullptr : &args.memory[i];
    if (gradient != nullptr && gradient->dk.empty() && gradient->dv.empty()) gradient = nullptr;
    cut(spans, &segment, gradient, 0, segment.k.dim(1));
  }
  // Keys that no row reads may hold anything: they do not share a block with others.
  const int64_t rows = args.forward.q.dim(0);
  const int64_t last = rows == 0 ? 0 : args.forward.offset + rows;
  cut(spans, nullptr, nullptr, 0, last);
  cut(spans, nullptr, nullptr, last, args.forward.k.dim(1));
  return spans;
}

BackwardPlan plan_backward(const AttentionBackwardArgs& args) {
  const AttentionArgs& forward = args.forward;
  const int64_t groups = forward.k.dim(0);
  const int64_t heads = forward.q.dim(1) / groups;
  const int64_t step = std::max<int64_t>(1, kRowBlock / heads);
  BackwardPlan plan{&args, std::min(step, forward.q.dim(0)) * heads, {}, plan_keys(args)};
  for (const AttentionTask& task : plan_attention(forward, step)) {
    if (task.group == 0) plan.blocks.push_back(task);
  }
  return plan;
}

double backward_nanoseconds(const BackwardPlan& plan) {
  const AttentionArgs& forward = plan.args->forward;
  return 2.5 * attention_nanoseconds(forward) / static_cast<double>(forward.k.dim(0));
}

}  // namespace memlong::ops::cpu
