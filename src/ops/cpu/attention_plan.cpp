#include "ops/cpu/attention_plan.h"

#include <algorithm>

namespace memlong::ops::cpu {
namespace {

void split(std::vector<AttentionTask>& tasks, int64_t groups, int64_t step, int64_t begin,
           int64_t end, const MemorySegment* memory) {
  for (int64_t t = begin; t < end; t += step) {
    for (int64_t g = 0; g < groups; ++g) tasks.push_back({g, t, std::min(t + step, end), memory});
  }
}

}  // namespace

std::vector<AttentionTask> plan_attention(const AttentionArgs& args, int64_t step) {
  std::vector<AttentionTask> tasks;
  const int64_t groups = args.k.dim(0);
  int64_t row = 0;
  for (const MemorySegment& segment : args.memory) {
    split(tasks, groups, step, row, segment.begin, nullptr);
    split(tasks, groups, step, segment.begin, segment.end, segment.k.empty() ? nullptr : &segment);
    row = segment.end;
  }
  split(tasks, groups, step, row, args.q.dim(0), nullptr);
  return tasks;
}

double attention_nanoseconds(const AttentionArgs& args) {
  int64_t memory = 0;
  for (const MemorySegment& segment : args.memory) {
    if (!segment.k.empty()) memory = std::max(memory, segment.k.dim(1));
  }
  const int64_t keys = args.offset + args.q.dim(0) + memory;
  return 0.04 * static_cast<double>(args.q.elements()) * static_cast<double>(keys);
}

}  // namespace memlong::ops::cpu
