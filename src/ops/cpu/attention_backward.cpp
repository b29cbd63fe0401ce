#include <algorithm>
#include <type_traits>
#include <vector>

#include <omp.h>

#include "ops/attention_kernels.h"
#include "ops/cpu/attention_backward_bf16.h"
#include "ops/cpu/attention_backward_f32.h"
#include "ops/cpu/attention_backward_group.h"
#include "ops/dispatch.h"
#include "tensor/parallel.h"

namespace memlong::ops {
namespace {

using cpu::BackwardPlan;
using cpu::GroupBackward;

/// A kv head of a call, with a block of its queries or keys where it is shared out.
struct Task {
  const BackwardPlan* plan;
  int64_t group;
  int64_t part;
};

/// fn(task, thread), handed out as threads come free.
template <class Fn>
void for_each(const std::vector<Task>& tasks, int threads, const Fn& fn) {
  const auto count = static_cast<int64_t>(tasks.size());
#pragma omp parallel for schedule(dynamic) num_threads(threads) if (threads > 1 && count > 1)
  for (int64_t i = 0; i < count; ++i) fn(tasks[static_cast<size_t>(i)], ::omp_get_thread_num());
}

/// `parts(plan)` tasks for each kv head.
template <class Fn>
std::vector<Task> tasks_of(const std::vector<BackwardPlan>& plans, const Fn& parts) {
  std::vector<Task> tasks;
  for (const BackwardPlan& plan : plans) {
    for (int64_t g = 0; g < plan.args->forward.k.dim(0); ++g) {
      for (int64_t i = 0; i < parts(plan); ++i) tasks.push_back({&plan, g, i});
    }
  }
  return tasks;
}

/// One thread does a kv head from end to end.
template <class Products>
void run_whole(Context& context, const std::vector<BackwardPlan>& plans, int threads) {
  using Group = GroupBackward<Products>;
  int64_t floats = 0;
  for (const BackwardPlan& plan : plans) {
    floats = std::max(floats, Group::packed_floats(plan) + Group::working_floats(plan));
  }
  float* memory =
      context.scratch("attention_backward", {threads, floats}, DType::f32).data<float>();
  for_each(tasks_of(plans, [](const BackwardPlan&) { return 1; }), threads,
           [&](const Task& task, int thread) {
             float* working = memory + thread * floats;
             float* packed = working + Group::working_floats(*task.plan);
             Group(*task.plan, task.group, packed, working).run();
           });
}

/// Many threads share a kv head: blocks of keys make dk and dv, blocks of queries dq. Two of the
/// five products are done twice.
template <class Products>
void run_shared(Context& context, const std::vector<BackwardPlan>& plans, int threads) {
  using Group = GroupBackward<Products>;
  int64_t working = 0;
  std::vector<int64_t> starts;  // of a plan's packed rows
  int64_t packed = 0;
  for (const BackwardPlan& plan : plans) {
    working = std::max(working, Group::working_floats(plan));
    starts.push_back(packed);
    packed += Group::packed_floats(plan) * plan.args->forward.k.dim(0);
  }
  float* memory =
      context.scratch("attention_backward", {threads * working + packed}, DType::f32).data<float>();
  const auto group = [&](const Task& task, int thread) {
    const int64_t start = starts[static_cast<size_t>(task.plan - plans.data())] +
                          task.group * Group::packed_floats(*task.plan);
    return Group(*task.plan, task.group, memory + threads * working + start,
                 memory + thread * working);
  };
  const auto blocks = [](const BackwardPlan& plan) {
    return static_cast<int64_t>(plan.blocks.size());
  };
  const auto key_blocks = [](const BackwardPlan& plan) {
    int64_t keys = 0;
    for (const cpu::KeySpan& span : plan.spans) keys = std::max(keys, span.end);
    return (keys + cpu::kKeyBlock - 1) / cpu::kKeyBlock;
  };
  for_each(tasks_of(plans, blocks), threads,
           [&](const Task& task, int thread) { group(task, thread).pack(task.part); });
  for_each(tasks_of(plans, key_blocks), threads,
           [&](const Task& task, int thread) { group(task, thread).keys_of(task.part); });
  for_each(tasks_of(plans, blocks), threads,
           [&](const Task& task, int thread) { group(task, thread).queries_of(task.part); });
}

template <class Products>
void run(Context& context, const std::vector<BackwardPlan>& plans) {
  double nanoseconds = 0.0;
  int64_t heads = 0;
  for (const BackwardPlan& plan : plans) {
    const int64_t groups = plan.args->forward.k.dim(0);
    nanoseconds += cpu::backward_nanoseconds(plan) * static_cast<double>(groups);
    heads += groups;
  }
  const int threads = threads_for(context, nanoseconds);
  if (2 * heads <= threads) {
    run_shared<Products>(context, plans, threads);
  } else {
    run_whole<Products>(context, plans, threads);
  }
}

}  // namespace

template <>
void attention_backward_kernel<Device::cpu>(Context& context,
                                            std::span<const AttentionBackwardArgs> calls) {
  std::vector<BackwardPlan> plans;
  for (const AttentionBackwardArgs& call : calls) plans.push_back(cpu::plan_backward(call));
  // Long calls first, so that the threads end together.
  std::stable_sort(plans.begin(), plans.end(), [](const BackwardPlan& a, const BackwardPlan& b) {
    return cpu::backward_nanoseconds(a) > cpu::backward_nanoseconds(b);
  });
  dispatch_float(calls[0].forward.q.dtype(), [&](auto type) {
    using T = decltype(type);
    if (std::is_same_v<T, bf16> && cpu::bf16_gemm_available()) {
      run<cpu::Bf16BackwardProducts>(context, plans);
    } else {
      run<cpu::F32BackwardProducts<T>>(context, plans);
    }
  });
}

}  // namespace memlong::ops
