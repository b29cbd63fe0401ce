#include <algorithm>
#include <span>
#include <type_traits>
#include <vector>

#include <omp.h>

#include "ops/attention_kernels.h"
#include "ops/cpu/attention_bf16.h"
#include "ops/cpu/attention_block.h"
#include "ops/cpu/attention_decode.h"
#include "ops/cpu/attention_f32.h"
#include "ops/cpu/attention_plan.h"
#include "ops/cpu/convert.h"
#include "ops/dispatch.h"
#include "tensor/parallel.h"

namespace memlong::ops {
namespace {

using cpu::AttentionTask;
using cpu::KeyRows;

constexpr int64_t kRowBlock = 128;  // rows of a task, or the group's heads if they are more

template <class Products>
void run(const AttentionArgs& args, const AttentionTask& task, float* memory) {
  using T = typename Products::Element;
  const int64_t dim = args.q.dim(2);
  const cpu::TaskRows<T> rows(args, task);
  cpu::AttentionBlock<Products> block(memory, rows.count(), dim, args.scale);
  for (int64_t r = 0; r < rows.count(); ++r) block.set_row(r, rows.q(r), rows.position(r));
  if (task.memory != nullptr) {
    block.read(rows.of_group(task.memory->k), rows.of_group(task.memory->v), 0,
               task.memory->k.dim(1), false);
  }
  const KeyRows<T> k = rows.of_group(args.k);
  const KeyRows<T> v = rows.of_group(args.v);
  // The first query may read `open` keys, so all may; the block that holds the border is masked.
  const int64_t open = std::max<int64_t>(0, args.offset + task.begin + 1);
  const int64_t unmasked = open / cpu::kKeyBlock * cpu::kKeyBlock;
  block.read(k, v, 0, unmasked, false);
  block.read(k, v, unmasked, args.offset + task.end, true);
  for (int64_t r = 0; r < rows.count(); ++r) {
    float result[cpu::kMaxHeadDim];
    block.finish(r, result);
    cpu::row_from_f32<T>(result, rows.out(r), dim);
    rows.set_lse(r, block.log_sum_exp(r));
  }
}

/// A task and the call it is of.
struct CallTask {
  const AttentionArgs* args;
  AttentionTask task;
};

template <class Products>
void run_all(Context& context, std::span<const AttentionArgs> calls) {
  std::vector<CallTask> tasks;
  int64_t floats = 0;
  double nanoseconds = 0.0;
  for (const AttentionArgs& args : calls) {
    if (args.q.empty() || cpu::is_decode(args)) continue;
    const int64_t heads = args.q.dim(1) / args.k.dim(0);
    const int64_t step = std::max<int64_t>(1, kRowBlock / heads);
    const int64_t rows = std::min(step, args.q.dim(0)) * heads;
    for (const AttentionTask& task : cpu::plan_attention(args, step)) {
      tasks.push_back({&args, task});
    }
    floats = std::max(floats, cpu::AttentionBlock<Products>::floats(rows, args.q.dim(2)));
    nanoseconds += cpu::attention_nanoseconds(args);
  }
  const auto count = static_cast<int64_t>(tasks.size());
  if (count == 0) return;
  floats = cpu::round_up(floats, cpu::kLanes);
  const int threads = count < 2 ? 1 : threads_for(context, nanoseconds);
  float* memory = context.scratch("attention", {threads, floats}, DType::f32).data<float>();
  // Late queries read more keys: they go first, and tasks are handed out as threads come free.
#pragma omp parallel for schedule(dynamic) num_threads(threads) if (threads > 1)
  for (int64_t i = count - 1; i >= 0; --i) {
    const CallTask& task = tasks[static_cast<size_t>(i)];
    run<Products>(*task.args, task.task, memory + ::omp_get_thread_num() * floats);
  }
}

}  // namespace

template <>
void attention_kernel<Device::cpu>(Context& context, std::span<const AttentionArgs> calls) {
  cpu::decode_attention(context, calls);
  dispatch_float(calls[0].q.dtype(), [&](auto type) {
    using T = decltype(type);
    if (std::is_same_v<T, bf16> && cpu::bf16_gemm_available()) {
      run_all<cpu::Bf16Products>(context, calls);
    } else {
      run_all<cpu::F32Products<T>>(context, calls);
    }
  });
}

}  // namespace memlong::ops
