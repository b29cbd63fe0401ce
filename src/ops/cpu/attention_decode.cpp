#include "ops/cpu/attention_decode.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "ops/cpu/attention_plan.h"
#include "ops/cpu/attention_thin.h"
#include "ops/cpu/convert.h"
#include "ops/cpu/vec.h"
#include "ops/dispatch.h"
#include "tensor/parallel.h"

namespace memlong::ops::cpu {
namespace {

constexpr int64_t kStretch = 512;  // keys of an item

/// A task and the call that it is of.
struct DecodeTask {
  const AttentionArgs* args;
  AttentionTask task;
};

struct Item {
  size_t task;
  bool local;  ///< the window's keys, else the memory's
  int64_t begin;
  int64_t end;
};

std::vector<Item> cut(const std::vector<DecodeTask>& tasks) {
  std::vector<Item> items;
  const auto add = [&](size_t task, bool local, int64_t count) {
    for (int64_t i = 0; i < count; i += kStretch) {
      items.push_back({task, local, i, std::min(i + kStretch, count)});
    }
  };
  for (size_t i = 0; i < tasks.size(); ++i) {
    const auto& [args, task] = tasks[i];
    if (task.memory != nullptr) add(i, false, task.memory->k.dim(1));
    add(i, true, args->offset + task.end);
  }
  return items;
}

template <class T>
void run_item(const AttentionArgs& args, const AttentionTask& task, const Item& item,
              ThinPart& part) {
  const TaskRows<T> rows(args, task);
  const int64_t dim = args.q.dim(2);
  const int64_t stride = round_up(dim, kThinDim);
  T queries[kThinRows * kMaxHeadDim] = {};
  int64_t positions[kThinRows];
  for (int64_t r = 0; r < rows.count(); ++r) {
    std::copy_n(rows.q(r), dim, queries + r * stride);
    positions[r] = rows.position(r);
  }
  const KeyRows<T> k = rows.of_group(item.local ? args.k : task.memory->k);
  const KeyRows<T> v = rows.of_group(item.local ? args.v : task.memory->v);
  thin_attention({queries, stride, rows.count(), dim, args.scale, positions}, k, v, item.begin,
                 item.end, item.local, part);
}

template <class T>
void write(const AttentionArgs& args, const AttentionTask& task, const ThinPart& part) {
  const TaskRows<T> rows(args, task);
  const int64_t dim = args.q.dim(2);
  for (int64_t r = 0; r < rows.count(); ++r) {
    const float scale = 1.0F / part.total[r];
    for (int64_t d = 0; d < dim; d += kLanes) {
      store_part(rows.out(r) + d, load(part.sums[r] + d) * scale, dim - d);
    }
    rows.set_lse(r, part.largest[r] + std::log(part.total[r]));
  }
}

/// The items of a task follow each other; its first part collects the others.
template <class T>
void merge_and_write(const std::vector<DecodeTask>& tasks, const std::vector<Item>& items,
                     ThinPart* parts) {
  size_t next = 0;
  for (size_t t = 0; t < tasks.size(); ++t) {
    const auto& [args, task] = tasks[t];
    const int64_t rows = TaskRows<T>(*args, task).count();
    ThinPart& sum = parts[next];
    for (++next; next < items.size() && items[next].task == t; ++next) {
      merge(parts[next], rows, args->q.dim(2), sum);
    }
    write<T>(*args, task, sum);
  }
}

}  // namespace

bool is_decode(const AttentionArgs& args) {
  return args.q.dim(0) * (args.q.dim(1) / args.k.dim(0)) <= kThinRows;
}

void decode_attention(Context& context, std::span<const AttentionArgs> calls) {
  std::vector<DecodeTask> tasks;
  double nanoseconds = 0.0;
  for (const AttentionArgs& args : calls) {
    if (args.q.empty() || !is_decode(args)) continue;
    for (const AttentionTask& task : plan_attention(args, args.q.dim(0))) {
      tasks.push_back({&args, task});
    }
    nanoseconds += attention_nanoseconds(args);
  }
  if (tasks.empty()) return;
  const std::vector<Item> items = cut(tasks);
  const auto count = static_cast<int64_t>(items.size());
  auto* parts = static_cast<ThinPart*>(
      context.scratch("attention", {count, static_cast<int64_t>(sizeof(ThinPart))}, DType::u8)
          .raw());
  const int threads = count < 2 ? 1 : threads_for(context, nanoseconds);
  dispatch_float(calls[0].q.dtype(), [&](auto type) {
    using T = decltype(type);
    // Calls differ in length: items are handed out as threads come free.
#pragma omp parallel for schedule(dynamic) num_threads(threads) if (threads > 1)
    for (int64_t i = 0; i < count; ++i) {
      const Item& item = items[static_cast<size_t>(i)];
      const auto& [args, task] = tasks[item.task];
      run_item<T>(*args, task, item, parts[i]);
    }
    merge_and_write<T>(tasks, items, parts);
  });
}

}  // namespace memlong::ops::cpu
