// How a call of attention() is cut into tasks.
#pragma once

#include <cstdint>
#include <vector>

#include "ops/attention.h"
#include "ops/cpu/attention_keys.h"

namespace memlong::ops::cpu {

/// Queries [begin, end) of one kv head, all reading the same memory. Its rows are the pairs
/// (query, head of the group), heads fastest.
struct AttentionTask {
  int64_t group;
  int64_t begin;
  int64_t end;
  const MemorySegment* memory;  ///< nullptr: none
};

/// Tasks of at most `step` queries, in the order of the queries.
std::vector<AttentionTask> plan_attention(const AttentionArgs& args, int64_t step);

/// Time on one thread: two products at 100 GFLOP/s.
double attention_nanoseconds(const AttentionArgs& args);

/// The rows of a task: where their queries, results and log-sum-exps lie.
template <class T>
class TaskRows {
 public:
  TaskRows(const AttentionArgs& args, const AttentionTask& task)
      : args_(args), task_(task), heads_(args.q.dim(1) / args.k.dim(0)) {}

  [[nodiscard]] int64_t count() const { return (task_.end - task_.begin) * heads_; }
  [[nodiscard]] int64_t position(int64_t row) const { return args_.offset + query(row); }
  [[nodiscard]] const T* q(int64_t row) const { return at(args_.q, row); }
  [[nodiscard]] T* out(int64_t row) const { return at(args_.out, row); }
  void set_lse(int64_t row, float value) const {
    if (args_.lse.raw() != nullptr) *at<float>(args_.lse, row) = value;
  }
  /// The row's elements in x [T, H, D] or [T, H].
  template <class U = T>
  [[nodiscard]] U* at(const TensorView& x, int64_t row) const {
    return x.data<U>() + query(row) * x.stride(0) + head(row) * x.stride(1);
  }
  [[nodiscard]] KeyRows<T> of_group(const TensorView& keys) const {
    return {keys.data<T>() + task_.group * keys.stride(0), keys.stride(1)};
  }

 private:
  [[nodiscard]] int64_t query(int64_t row) const { return task_.begin + row / heads_; }
  [[nodiscard]] int64_t head(int64_t row) const { return task_.group * heads_ + row % heads_; }

  const AttentionArgs& args_;
  const AttentionTask& task_;
  int64_t heads_;
};

}  // namespace memlong::ops::cpu
