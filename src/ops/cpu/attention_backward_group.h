// The gradients of one kv head of a call of attention().
//
// The query rows are packed block by block and stay packed; then come the keys, block by block, and
// meet every query block that reads them. So dk and dv are complete after one block of keys, and
// the sums of dq wait with the packed rows. Orders of sums are fixed by the shapes alone, and
// the same whether one pass makes all gradients or one makes dk, dv and another dq.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

#include "ops/cpu/attention_backward_rows.h"
#include "ops/cpu/attention_plan.h"
#include "ops/cpu/transpose.h"

namespace memlong::ops::cpu {

/// Keys [begin, end) of a memory segment or of the window.
struct KeySpan {
  const MemorySegment* memory;     ///< nullptr: the window's
  const MemoryGradient* gradient;  ///< of the memory, or nullptr: constant
  int64_t begin;
  int64_t end;
};

/// All keys of a call in the order in which they are read.
std::vector<KeySpan> plan_keys(const AttentionBackwardArgs& args);

/// A call as all its kv heads share it.
struct BackwardPlan {
  const AttentionBackwardArgs* args;
  int64_t rows;                       ///< at most, of a query block
  std::vector<AttentionTask> blocks;  ///< of kv head 0, in the order of the queries
  std::vector<KeySpan> spans;
};

BackwardPlan plan_backward(const AttentionBackwardArgs& args);

/// Time on one thread of one kv head.
double backward_nanoseconds(const BackwardPlan& plan);

/// Products: F32BackwardProducts<T> or Bf16BackwardProducts.
template <class Products>
class GroupBackward {
 public:
  using T = typename Products::Element;
  static int64_t packed_floats(const BackwardPlan& plan) {
    return static_cast<int64_t>(plan.blocks.size()) * block_floats(plan);
  }
  static int64_t working_floats(const BackwardPlan& plan) {
    return round_up(Products::floats(Products::row_stride(plan.rows), dim(plan)), kLanes);
  }

  /// `packed` is shared by all that work on this kv head, `working` is the thread's own.
  GroupBackward(const BackwardPlan& plan, int64_t group, float* packed, float* working)
      : plan_(plan),
        args_(*plan.args),
        group_(group),
        packed_(packed),
        stride_(Products::row_stride(plan.rows)),
        products_(working, stride_, dim(plan), args_.forward.scale) {}

  [[nodiscard]] int64_t blocks() const { return static_cast<int64_t>(plan_.blocks.size()); }

  void run() {
    for (int64_t i = 0; i < blocks(); ++i) pack(i);
    for (const KeySpan& span : plan_.spans) read(span, 0, blocks(), {true, wants_keys(span)});
    for (int64_t i = 0; i < blocks(); ++i) write_queries(i);
  }

  /// The same in three steps that may be shared out: every block packed, then every span and, apart
  /// from them, every block.
  void pack(int64_t i) {
    float* queries = packed_ + i * block_floats(plan_);
    const RowTerms terms(queries, stride_);
    std::fill_n(queries, RowTerms::floats(stride_), 0.0F);
    std::fill_n(terms.lse, stride_, INFINITY);
    const AttentionTask task = block(i);
    const TaskRows<T> rows(args_.forward, task);
    std::vector<const T*> q(static_cast<size_t>(rows.count()));
    std::vector<const T*> dout(q.size());
    for (int64_t r = 0; r < rows.count(); ++r) {
      q[static_cast<size_t>(r)] = rows.q(r);
      dout[static_cast<size_t>(r)] = rows.at(args_.dout, r);
      terms.lse[r] = *rows.template at<float>(args_.forward.lse, r);
      terms.delta[r] = product(rows.at(args_.dout, r), rows.out(r));
      terms.position[r] = static_cast<float>(rows.position(r));
    }
    products_.set_rows(queries, q, dout);
  }

  /// The spans of block `part` of any keys: different memories may have the same gradient.
  void keys_of(int64_t part) {
    for (const KeySpan& span : plan_.spans) {
      if (span.begin / kKeyBlock == part && wants_keys(span))
        read(span, 0, blocks(), {false, true});
    }
  }

  void queries_of(int64_t i) {
    for (const KeySpan& span : plan_.spans) read(span, i, i + 1, {true, false});
    write_queries(i);
  }

 private:
  static int64_t dim(const BackwardPlan& plan) { return plan.args->forward.q.dim(2); }
  static int64_t block_floats(const BackwardPlan& plan) {
    return round_up(Products::query_floats(Products::row_stride(plan.rows), dim(plan)), kLanes);
  }
  static bool wants_keys(const KeySpan& span) {
    return span.memory == nullptr || span.gradient != nullptr;
  }

  [[nodiscard]] AttentionTask block(int64_t i) const {
    AttentionTask task = plan_.blocks[static_cast<size_t>(i)];
    task.group = group_;
    return task;
  }

  [[nodiscard]] float product(const T* a, const T* b) const {
    Vec sum{};
    const int64_t count = dim(plan_);
    for (int64_t d = 0; d < count; d += kLanes) {
      sum += load_part(a + d, count - d) * load_part(b + d, count - d);
    }
    return sum_of(sum);
  }

  /// Where block `task` stops reading the span; not past its begin: it does not read it.
  [[nodiscard]] int64_t end_of(const KeySpan& span, const AttentionTask& task) const {
    if (span.memory == nullptr) return std::min(span.end, args_.forward.offset + task.end);
    return span.memory == task.memory ? span.end : span.begin;
  }

  /// The span with those of blocks [first, last) that read it.
  void read(const KeySpan& span, int64_t first, int64_t last, Wanted want) {
    bool ready = false;
    const auto prepare = [&] {
      if (!ready) set_keys(span);
      ready = true;
    };
    for (int64_t i = first; i < last; ++i) {
      const AttentionTask task = block(i);
      const int64_t end = end_of(span, task);
      if (end <= span.begin) continue;
      prepare();
      const bool causal = span.memory == nullptr && end > args_.forward.offset + task.begin + 1;
      products_.pair(packed_ + i * block_floats(plan_), TaskRows<T>(args_.forward, task).count(),
                     span.begin, end - span.begin, causal, want);
    }
    if (!want.keys) return;
    prepare();
    write_keys(span);
  }

  void set_keys(const KeySpan& span) {
    const TensorView& k = span.memory != nullptr ? span.memory->k : args_.forward.k;
    const TensorView& v = span.memory != nullptr ? span.memory->v : args_.forward.v;
    products_.set_keys({k.data<T>() + group_ * k.stride(0), k.stride(1)},
                       {v.data<T>() + group_ * v.stride(0), v.stride(1)}, span.begin,
                       span.end - span.begin);
  }

  void write_keys(const KeySpan& span) {
    for (int64_t i = span.begin; i < span.end; ++i) {
      const float* dk = products_.dk(i - span.begin);
      const float* dv = products_.dv(i - span.begin);
      if (span.memory == nullptr) {
        write_row(dk, args_.forward.scale, row(args_.dk, i));
        write_row(dv, 1.0F, row(args_.dv, i));
      } else {
        add_row(dk, args_.forward.scale, span.gradient->dk, i);
        add_row(dv, 1.0F, span.gradient->dv, i);
      }
    }
  }

  /// dq lies turned, [dim, row].
  void write_queries(int64_t i) {
    const AttentionTask task = block(i);
    const TaskRows<T> rows(args_.forward, task);
    const float* sums = products_.dq(packed_ + i * block_floats(plan_));
    for (int64_t first = 0; first < rows.count(); first += kLanes) {
      for (int64_t d = 0; d < dim(plan_); d += kLanes) {
        VecWord square[kLanes];
        for (int64_t j = 0; j < kLanes; ++j) {
          square[j] =
              bits_as<VecWord>(load(sums + (d + j) * stride_ + first) * args_.forward.scale);
        }
        transpose(square);
        for (int64_t r = first; r < std::min(first + kLanes, rows.count()); ++r) {
          store_part(rows.at(args_.dq, r) + d, bits_as<Vec>(square[r - first]), dim(plan_) - d);
        }
      }
    }
  }

  [[nodiscard]] T* row(const TensorView& keys, int64_t i) const {
    return keys.data<T>() + group_ * keys.stride(0) + i * keys.stride(1);
  }

  void write_row(const float* from, float scale, T* to) const {
    for (int64_t d = 0; d < dim(plan_); d += kLanes) {
      store_part(to + d, load(from + d) * scale, dim(plan_) - d);
    }
  }

  void add_row(const float* from, float scale, const TensorView& sums, int64_t i) const {
    if (sums.empty()) return;
    float* to = sums.data<float>() + group_ * sums.stride(0) + i * sums.stride(1);
    for (int64_t d = 0; d < dim(plan_); ++d) to[d] += from[d] * scale;
  }

  const BackwardPlan& plan_;
  const AttentionBackwardArgs& args_;
  int64_t group_;
  float* packed_;
  int64_t stride_;
  Products products_;
};

}  // namespace memlong::ops::cpu
