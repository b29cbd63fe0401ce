#include <algorithm>
#include <type_traits>
#include <vector>

#include <omp.h>

#include "ops/attention_kernels.h"
#include "ops/cpu/attention_amx.h"
#include "ops/cpu/attention_block.h"
#include "ops/cpu/attention_f32.h"
#include "ops/cpu/convert.h"
#include "ops/cpu/parallel.h"
#include "ops/dispatch.h"

namespace memlong::ops {
namespace {

using cpu::KeyRows;

constexpr int64_t kRowBlock = 128;  // rows of a task, or the group's heads if they are more

/// Queries [begin, end) of one kv head, all reading the same memory.
struct Task {
  int64_t group;
  int64_t begin;
  int64_t end;
  const MemorySegment* memory;
};

template <class T>
KeyRows<T> rows_of(const TensorView& keys, int64_t group) {
  return {keys.data<T>() + group * keys.stride(0), keys.stride(1)};
}

void split(std::vector<Task>& tasks, int64_t groups, int64_t step, int64_t begin, int64_t end,
           const MemorySegment* memory) {
  for (int64_t t = begin; t < end; t += step) {
    for (int64_t g = 0; g < groups; ++g) tasks.push_back({g, t, std::min(t + step, end), memory});
  }
}

std::vector<Task> plan(const AttentionArgs& args, int64_t step) {
  std::vector<Task> tasks;
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

template <class Products>
void run(const AttentionArgs& args, const Task& task, float* memory) {
  using T = typename Products::Element;
  const int64_t dim = args.q.dim(2);
  const int64_t heads = args.q.dim(1) / args.k.dim(0);
  const int64_t rows = (task.end - task.begin) * heads;
  const auto query_of = [&](int64_t row) { return task.begin + row / heads; };
  const auto head_of = [&](int64_t row) { return task.group * heads + row % heads; };
  cpu::AttentionBlock<Products> block(memory, rows, dim, args.scale);
  for (int64_t r = 0; r < rows; ++r) {
    const int64_t t = query_of(r);
    block.set_row(r, args.q.data<T>() + t * args.q.stride(0) + head_of(r) * args.q.stride(1),
                  args.offset + t);
  }
  if (task.memory != nullptr) {
    block.read(rows_of<T>(task.memory->k, task.group), rows_of<T>(task.memory->v, task.group), 0,
               task.memory->k.dim(1), false);
  }
  const KeyRows<T> k = rows_of<T>(args.k, task.group);
  const KeyRows<T> v = rows_of<T>(args.v, task.group);
  // The first query may read `open` keys, so all may; the block that holds the border is masked.
  const int64_t open = args.offset + task.begin + 1;
  const int64_t unmasked = open / cpu::kKeyBlock * cpu::kKeyBlock;
  block.read(k, v, 0, unmasked, false);
  block.read(k, v, unmasked, args.offset + task.end, true);
  for (int64_t r = 0; r < rows; ++r) {
    const int64_t t = query_of(r);
    float result[cpu::kMaxHeadDim];
    block.finish(r, result);
    cpu::row_from_f32<T>(
        result, args.out.data<T>() + t * args.out.stride(0) + head_of(r) * args.out.stride(1), dim);
    if (args.lse.raw() != nullptr) {
      args.lse.data<float>()[t * args.lse.stride(0) + head_of(r) * args.lse.stride(1)] =
          block.log_sum_exp(r);
    }
  }
}

/// On one thread: two products at 100 GFLOP/s.
double nanoseconds(const AttentionArgs& args) {
  auto keys = static_cast<double>(args.offset + args.q.dim(0));
  for (const MemorySegment& segment : args.memory) {
    if (!segment.k.empty()) keys = std::max(keys, static_cast<double>(segment.k.dim(1)));
  }
  return 0.04 * static_cast<double>(args.q.elements()) * keys;
}

template <class Products>
void run_all(Context& context, const AttentionArgs& args) {
  const int64_t heads = args.q.dim(1) / args.k.dim(0);
  const int64_t step = std::max<int64_t>(1, kRowBlock / heads);
  const int64_t rows = std::min(step, args.q.dim(0)) * heads;
  const std::vector<Task> tasks = plan(args, step);
  const auto count = static_cast<int64_t>(tasks.size());
  const int threads = count < 2 ? 1 : cpu::threads_for(context, nanoseconds(args));
  const int64_t floats =
      cpu::round_up(cpu::AttentionBlock<Products>::floats(rows, args.q.dim(2)), cpu::kLanes);
  float* memory = context.scratch("attention", {threads, floats}, DType::f32).data<float>();
  // Late queries read more keys: they go first, and tasks are handed out as threads come free.
#pragma omp parallel for schedule(dynamic) num_threads(threads) if (threads > 1)
  for (int64_t i = count - 1; i >= 0; --i) {
    run<Products>(args, tasks[static_cast<size_t>(i)], memory + ::omp_get_thread_num() * floats);
  }
}

}  // namespace

template <>
void attention_kernel<Device::cpu>(Context& context, const AttentionArgs& args) {
  dispatch_float(args.q.dtype(), [&](auto type) {
    using T = decltype(type);
    if (std::is_same_v<T, bf16> && cpu::amx_available()) {
      run_all<cpu::AmxProducts>(context, args);
    } else {
      run_all<cpu::F32Products<T>>(context, args);
    }
  });
}

}  // namespace memlong::ops
