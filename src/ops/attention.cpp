#include "ops/attention.h"

#include <algorithm>
#include <vector>

#include "ops/attention_kernels.h"
#include "ops/checks.h"
#include "ops/dispatch.h"

namespace memlong::ops {
namespace {

constexpr int64_t kMaxHeadDim = 256;

void check_keys(const TensorView& keys, const TensorView& q, int64_t groups, const char* name) {
  check_rank(keys, 3, name);
  check_dtype(keys, q.dtype(), name);
  check_rows(keys, name);
  check_shape(keys, {groups, keys.dim(1), q.dim(2)}, name);
}

void check_memory(const AttentionArgs& args) {
  int64_t end = 0;
  for (const MemorySegment& segment : args.memory) {
    MEMLONG_CHECK(
        end <= segment.begin && segment.begin <= segment.end && segment.end <= args.q.dim(0),
        "memory segments must be sorted, disjoint and inside the query rows");
    end = segment.end;
    if (segment.k.empty()) continue;
    check_keys(segment.k, args.q, args.k.dim(0), "attention memory k");
    check_keys(segment.v, args.q, args.k.dim(0), "attention memory v");
    MEMLONG_CHECK(segment.v.dim(1) == segment.k.dim(1), "memory k and v differ in length");
  }
}

void check_heads(const TensorView& q, int64_t groups) {
  MEMLONG_CHECK(groups > 0 && q.dim(1) % groups == 0, "heads must be a multiple of kv heads");
  MEMLONG_CHECK(q.dim(2) > 0 && q.dim(2) % 2 == 0 && q.dim(2) <= kMaxHeadDim,
                "head_dim must be even and at most 256");
}

/// A softmax needs a key: memory, where there are no local ones.
void check_all_read_memory(const AttentionArgs& args) {
  int64_t rows = 0;
  for (const MemorySegment& segment : args.memory) {
    if (!segment.k.empty()) rows += segment.end - segment.begin;
  }
  MEMLONG_CHECK(rows == args.q.dim(0) && args.position.raw() == nullptr,
                "attention without local keys needs memory for each row");
}

void check_call(const Context& context, const AttentionArgs& args) {
  check_rank(args.q, 3, "attention q");
  check_rows(args.q, "attention q");
  check_rank(args.k, 3, "attention k");
  check_heads(args.q, args.k.dim(0));
  check_keys(args.k, args.q, args.k.dim(0), "attention k");
  check_keys(args.v, args.q, args.k.dim(0), "attention v");
  check_shape(args.out, args.q.shape(), "attention out");
  check_dtype(args.out, args.q.dtype(), "attention out");
  check_rows(args.out, "attention out");
  check_device(context, args.q, "attention q");
  const int64_t last = args.offset + args.q.dim(0);
  const bool none_local = args.offset < 0 && last == 0;
  MEMLONG_CHECK((args.offset >= 0 || none_local) && args.k.dim(1) >= last && args.v.dim(1) >= last,
                "attention needs local keys up to position " + std::to_string(last));
  if (args.lse.raw() != nullptr) {
    check_shape(args.lse, {args.q.dim(0), args.q.dim(1)}, "attention lse");
    check_dtype(args.lse, DType::f32, "attention lse");
  }
  check_memory(args);
  if (none_local) check_all_read_memory(args);
  if (args.position.raw() == nullptr) return;
  check_shape(args.position, {1}, "attention position");
  check_dtype(args.position, DType::i32, "attention position");
  check_device(context, args.position, "attention position");
  MEMLONG_CHECK(args.q.dim(0) == 1, "a position in memory is for one query");
}

/// Where the position can be read at once, it becomes the offset.
std::vector<AttentionArgs> with_offsets(const Context& context,
                                        std::span<const AttentionArgs> calls) {
  std::vector<AttentionArgs> known(calls.begin(), calls.end());
  for (AttentionArgs& args : known) {
    if (args.position.raw() == nullptr) continue;
    args.offset = *args.position.data<int32_t>();
    args.position = {};
    check_call(context, args);
  }
  return known;
}

/// dout, dq like q; dk, dv like k; the memory's gradients f32 and contiguous.
void check_gradients(const AttentionBackwardArgs& args) {
  const AttentionArgs& forward = args.forward;
  const auto check_like = [](const TensorView& x, const TensorView& other, const char* name) {
    check_shape(x, other.shape(), name);
    check_dtype(x, other.dtype(), name);
    check_rows(x, name);
  };
  check_like(args.dout, forward.q, "attention dout");
  check_like(args.dq, forward.q, "attention dq");
  check_like(args.dk, forward.k, "attention dk");
  check_like(args.dv, forward.v, "attention dv");
  MEMLONG_CHECK(forward.lse.raw() != nullptr || forward.q.empty(),
                "the gradient of attention needs its lse");
  MEMLONG_CHECK(forward.offset >= 0, "the gradient of attention is for calls with local keys");
  MEMLONG_CHECK(forward.position.raw() == nullptr,
                "the gradient of attention takes no position in memory");
  MEMLONG_CHECK(args.memory.empty() || args.memory.size() == forward.memory.size(),
                "attention needs a gradient for each memory segment or for none");
  for (size_t i = 0; i < args.memory.size(); ++i) {
    for (const TensorView& x : {args.memory[i].dk, args.memory[i].dv}) {
      if (x.empty()) continue;
      check_shape(x, forward.memory[i].k.shape(), "attention memory gradient");
      check_dtype(x, DType::f32, "attention memory gradient");
      MEMLONG_CHECK(x.contiguous(), "attention memory gradient is not contiguous");
    }
  }
}

}  // namespace

void attention(Context& context, const AttentionArgs& args) {
  attention(context, std::span(&args, 1));
}

void attention(Context& context, std::span<const AttentionArgs> calls) {
  if (calls.empty()) return;
  for (const AttentionArgs& call : calls) {
    check_call(context, call);
    check_dtype(call.q, calls[0].q.dtype(), "attention q of a batch");
  }
  const bool on_host =
      context.device() == Device::cpu && std::ranges::any_of(calls, [](const AttentionArgs& call) {
        return call.position.raw() != nullptr;
      });
  if (on_host) return attention_kernel<Device::cpu>(context, with_offsets(context, calls));
  dispatch(context.device(),
           [&](auto tag) { attention_kernel<decltype(tag)::kDevice>(context, calls); });
}

void attention_memory_mass(Context& context, const TensorView& q, const TensorView& k_mem,
                           const TensorView& lse, float scale, const TensorView& mass) {
  check_rank(q, 3, "attention q");
  check_rows(q, "attention q");
  check_rank(k_mem, 3, "attention memory k");
  check_heads(q, k_mem.dim(0));
  check_keys(k_mem, q, k_mem.dim(0), "attention memory k");
  check_shape(lse, {q.dim(0), q.dim(1)}, "attention lse");
  check_dtype(lse, DType::f32, "attention lse");
  check_shape(mass, {k_mem.dim(1)}, "attention mass");
  check_dtype(mass, DType::f32, "attention mass");
  check_rows(mass, "attention mass");
  check_device(context, q, "attention q");
  if (q.empty() || k_mem.empty()) return;
  dispatch(context.device(), [&](auto tag) {
    attention_memory_mass_kernel<decltype(tag)::kDevice>(context, q, k_mem, lse, scale, mass);
  });
}

void attention_backward(Context& context, std::span<const AttentionBackwardArgs> calls) {
  if (calls.empty()) return;
  for (const AttentionBackwardArgs& call : calls) {
    check_call(context, call.forward);
    check_dtype(call.forward.q, calls[0].forward.q.dtype(), "attention q of a batch");
    check_gradients(call);
  }
  dispatch(context.device(),
           [&](auto tag) { attention_backward_kernel<decltype(tag)::kDevice>(context, calls); });
}

}  // namespace memlong::ops
