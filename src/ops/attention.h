// Causal grouped-query attention over local keys and, per segment of queries, a set of memory keys.
//
// For query row t (window position p = offset + t) of head h, with g = h / (H / G):
//
//   scores = scale * [ q[t,h] . k_mem[g, i] for i < M | q[t,h] . k[g, j] for j <= p ]
//   out[t,h] = softmax(scores) . [ v_mem[g] | v[g] ]          one softmax over both parts
//   lse[t,h] = log sum exp scores
//
// (MemLong, arXiv 2408.16967, section 3.4, with the gate left out; Focused Transformer,
// arXiv 2307.03170, uses the same joint softmax.) There is no mask inside memory. With M = 0 it is
// ordinary attention. Scores and sums are f32 whatever the dtype. Blocked with a running maximum:
// never more than a block of scores exists per thread.
#pragma once

#include <cstdint>
#include <span>

#include "tensor/context.h"
#include "tensor/tensor.h"

namespace memlong::ops {

/// Query rows [begin, end) of this call read the memory keys k and values v.
struct MemorySegment {
  int64_t begin = 0;
  int64_t end = 0;
  TensorView k;  ///< [G, M, D], q's dtype, not rotated; empty: no memory
  TensorView v;  ///< [G, M, D]
};

struct AttentionArgs {
  TensorView q;  ///< [T, H, D] rotated; f32 or bf16; strides free, last contiguous
  TensorView k;  ///< [G, S, D] rotated, S >= offset + T; q's dtype; strides free
  TensorView v;  ///< [G, S, D]
  /// Window position of query row 0. Or -T: no row reads a local key (S may be 0), each row must
  /// read memory. With the rows' own keys as memory that is attention without a mask.
  int64_t offset = 0;
  float scale = 1.0F;  ///< normally 1/sqrt(D)
  /// Sorted by begin, disjoint, within [0, T). Rows in no segment read no memory.
  std::span<const MemorySegment> memory = {};
  TensorView out;       ///< [T, H, D], q's dtype; strides free; may not overlap the inputs
  TensorView lse = {};  ///< [T, H] f32, or empty
  /// Optional, for T = 1: [1] i32 where the context computes. The query's position is read there
  /// when the work is done, so that work recorded once (tensor/graph.h) serves many tokens;
  /// `offset` is what the work is cut for. The same bits as with the position as offset, as long as
  /// M + position + 1 and M + offset + 1 have the same quotient by kAttentionPlanKeys; beyond it
  /// correct all the same where the position is not below offset. k and v hold the keys up to it.
  TensorView position = {};
};

inline constexpr int64_t kAttentionPlanKeys = 128;

/// Any even D up to 256; H a multiple of G. Errors: internal, for shapes that do not fit.
void attention(Context& context, const AttentionArgs& args);

/// A batch of such calls, all of one dtype, shared out together: faster than one after the other
/// where calls are small. None may write where another reads or writes.
void attention(Context& context, std::span<const AttentionArgs> calls);

/// How much attention each memory token got: mass[i] += sum over rows and heads of
/// exp(scale * q[t,h] . k_mem[g,i] - lse[t,h]). q [T, H, D], k_mem [G, M, D], lse [T, H] as
/// written by attention(), mass [M] f32 (added to). Divide by T*H for the mean share.
void attention_memory_mass(Context& context, const TensorView& q, const TensorView& k_mem,
                           const TensorView& lse, float scale, const TensorView& mass);

/// Where the gradient of a segment's memory goes: [G, M, D] f32, contiguous, added to. Empty views:
/// this memory is constant.
struct MemoryGradient {
  TensorView dk;
  TensorView dv;
};

struct AttentionBackwardArgs {
  AttentionArgs forward;  ///< as it was called; out and lse hold what it wrote
  TensorView dout;        ///< [T, H, D], q's dtype; strides free, last contiguous
  TensorView dq;          ///< [T, H, D], its dtype, written; no overlap
  TensorView dk;          ///< [G, S, D], q's dtype, written (keys that nobody reads: zero)
  TensorView dv;          ///< [G, S, D]
  /// Empty: all memory is constant. Else one for each of forward.memory.
  std::span<const MemoryGradient> memory = {};
};

/// Gradients of a batch of attention() calls, all of one dtype; none may write where another reads
/// or writes, and gradients of different memory segments are the same or do not overlap. With
/// P = exp(scores - lse), delta[t,h] = dout[t,h] . out[t,h] (FlashAttention-2, arXiv 2307.08691,
/// section 3.1.2):
///   dv += P^T dout,  dS = P (dout v^T - delta),  dq = scale dS k,  dk += scale dS^T q
/// over local and memory keys alike. Heads of a group add up in dk, dv. Sums are f32; results do
/// not depend on the number of threads.
void attention_backward(Context& context, std::span<const AttentionBackwardArgs> calls);

}  // namespace memlong::ops
