#include <algorithm>
#include <vector>

#include <omp.h>

#include "ops/attention_kernels.h"
#include "ops/cpu/attention_block.h"
#include "ops/cpu/convert.h"
#include "ops/cpu/parallel.h"
#include "ops/dispatch.h"

namespace memlong::ops {
namespace {

using cpu::AttentionBlock;
using cpu::AttentionBuffers;
using cpu::KeyRows;

constexpr int64_t kMaxHeadDim = 256;

/// Queries [begin, end) of one kv head, all reading the same memory.
struct Task {
  int64_t group;
  int64_t begin;
  int64_t end;
  const MemorySegment* memory;
};

KeyRows rows_of(const TensorView& keys, int64_t group) {
  const TensorView head = keys.slice(0, group, group + 1);
  return {head.raw(), keys.stride(1), keys.dtype()};
}

void split(std::vector<Task>& tasks, int64_t groups, int64_t step, int64_t begin, int64_t end,
           const MemorySegment* memory) {
  for (int64_t t = begin; t < end; t += step) {
    for (int64_t g = 0; g < groups; ++g) tasks.push_back({g, t, std::min(t + step, end), memory});
  }
}

std::vector<Task> plan(const AttentionArgs& args, int64_t step) {
  std::vector<Task> tasks;
  int64_t row = 0;
  for (const MemorySegment& segment : args.memory) {
    split(tasks, args.k.dim(0), step, row, segment.begin, nullptr);
    split(tasks, args.k.dim(0), step, segment.begin, segment.end,
          segment.k.empty() ? nullptr : &segment);
    row = segment.end;
  }
  split(tasks, args.k.dim(0), step, row, args.q.dim(0), nullptr);
  return tasks;
}

template <class T>
void run(const AttentionArgs& args, const Task& task, float* memory) {
  const int64_t dim = args.q.dim(2);
  const int64_t heads = args.q.dim(1) / args.k.dim(0);
  const int64_t rows = (task.end - task.begin) * heads;
  const T* q = args.q.data<T>();
  T* out = args.out.data<T>();
  float row_buffer[kMaxHeadDim];
  AttentionBlock block(AttentionBuffers(memory, rows, dim), rows, dim);
  for (int64_t r = 0; r < rows; ++r) {
    const int64_t t = task.begin + r / heads;
    const int64_t h = task.group * heads + r % heads;
    cpu::row_to_f32<T>(q + t * args.q.stride(0) + h * args.q.stride(1), row_buffer, dim);
    block.set_row(r, row_buffer, args.scale, args.offset + t);
  }
  if (task.memory != nullptr) {
    block.read(rows_of(task.memory->k, task.group), rows_of(task.memory->v, task.group), 0,
               task.memory->k.dim(1), false);
  }
  const KeyRows k = rows_of(args.k, task.group);
  const KeyRows v = rows_of(args.v, task.group);
  const int64_t open = args.offset + task.begin + 1;  // keys that every row may read
  const int64_t unmasked = open / cpu::kKeyBlock * cpu::kKeyBlock;
  block.read(k, v, 0, unmasked, false);
  block.read(k, v, unmasked, args.offset + task.end, true);
  for (int64_t r = 0; r < rows; ++r) {
    const int64_t t = task.begin + r / heads;
    const int64_t h = task.group * heads + r % heads;
    block.finish(r, row_buffer);
    cpu::row_from_f32<T>(row_buffer, out + t * args.out.stride(0) + h * args.out.stride(1), dim);
    if (args.lse.raw() != nullptr) {
      args.lse.data<float>()[t * args.lse.stride(0) + h * args.lse.stride(1)] =
          block.log_sum_exp(r);
    }
  }
}

}  // namespace

template <>
void attention_kernel<Device::cpu>(Context& context, const AttentionArgs& args) {
  const int64_t heads = args.q.dim(1) / args.k.dim(0);
  const int64_t step = std::max<int64_t>(1, cpu::kRowBlock / heads);
  const int64_t rows = std::min(step, args.q.dim(0)) * heads;
  const std::vector<Task> tasks = plan(args, step);
  const auto count = static_cast<int64_t>(tasks.size());
  const int64_t work = args.q.elements() * (args.offset + args.q.dim(0));
  const int threads = count < 2 ? 1 : cpu::threads_for(context, work);
  const int64_t floats = AttentionBuffers::floats(rows, args.q.dim(2));
  float* scratch = context.scratch("attention", {threads, floats}, DType::f32).data<float>();
  dispatch_float(args.q.dtype(), [&](auto type) {
    using T = decltype(type);
    // Late queries read more keys, so tasks are handed out as threads come free.
#pragma omp parallel for schedule(dynamic) num_threads(threads) if (threads > 1)
    for (int64_t i = count - 1; i >= 0; --i) {
      run<T>(args, tasks[static_cast<size_t>(i)], scratch + ::omp_get_thread_num() * floats);
    }
  });
}

}  // namespace memlong::ops
