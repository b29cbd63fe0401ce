// One Llama block in training (block.h has the formula): forward passes that keep what the backward
// passes read. Rows of many sequences are packed; only rope and attention know where one ends.
//
// Forward:  project, attend, feed_forward. Backward: the same three in reverse. They are apart
// because memory is gathered between a memory layer's projection and its attention, and its
// gradient comes back at the same place.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "backbone/saved.h"
#include "backbone/train_linear.h"
#include "model/config.h"
#include "ops/attention.h"
#include "ops/rope.h"
#include "tensor/context.h"

namespace memlong::backbone {

struct TrainBlock {
  TrainTensor input_norm;  ///< [C], value f32
  TrainTensor post_norm;   ///< [C], value f32
  TrainLinear q;           ///< shapes as in BlockWeights
  TrainLinear kv;
  TrainLinear o;
  TrainLinear gate_up;
  TrainLinear down;

  void pack(Context& context);
  [[nodiscard]] bool trained() const;
};

/// One sequence among the packed rows.
struct PackedSequence {
  int64_t begin = 0;
  int64_t end = 0;
  int64_t position = 0;                        ///< window position of its first row
  std::vector<ops::MemorySegment> memory;      ///< rows count from the sequence's first
  std::vector<ops::MemoryGradient> gradients;  ///< one for each of them, or none at all
};

/// What is the same for all steps of one block over one batch.
struct BlockRun {
  const model::ModelConfig* config = nullptr;
  const ops::RopeTable* rope = nullptr;
  DType dtype = DType::bf16;
  std::span<const PackedSequence> sequences;  ///< their rows are [0, rows)
  int64_t rows = 0;
  bool reads = false;  ///< attends to memory
  /// Memory layer: [rows or more, 2*G*D], the keys before rope and the values. Rows beyond `rows`
  /// (pasts) go no further than this.
  TensorView raw_kv = {};
  bool raw_given = false;  ///< raw_kv is there already (a frozen writer made it)
  double flops = 0.0;      ///< added to
};

/// saved.x to q, kv (rotated), raw_kv.
void train_project(Context& context, const TrainBlock& block, BlockRun& run,
                   const SavedBlock& saved);
/// To mixed, lse, middle.
void train_attend(Context& context, const TrainBlock& block, BlockRun& run,
                  const SavedBlock& saved);
/// To gate_up, and out [rows, C] f32 (empty: not wanted).
void train_feed_forward(Context& context, const TrainBlock& block, BlockRun& run,
                        const SavedBlock& saved, const TensorView& out);

/// dx [rows, C] f32: gradient of the block's output, becomes that of saved.middle.
void train_feed_forward_backward(Context& context, const TrainBlock& block, BlockRun& run,
                                 const SavedBlock& saved, const TensorView& dx);

struct ProjectionGradient {
  TensorView dq;   ///< [rows, H*D], before rope
  TensorView dkv;  ///< [rows or those of raw_kv, 2*G*D], before rope; those beyond not written
};
/// dx as above, not changed: what goes around attention stays in it. Adds to the gradients of
/// memory. The result lives until the next call.
ProjectionGradient train_attend_backward(Context& context, const TrainBlock& block, BlockRun& run,
                                         const SavedBlock& saved, const TensorView& dx);

/// dx [rows of dkv, C] f32 becomes the gradient of saved.x. Empty: not wanted, nothing of it is
/// computed.
void train_project_backward(Context& context, const TrainBlock& block, BlockRun& run,
                            const SavedBlock& saved, const ProjectionGradient& gradient,
                            const TensorView& dx);

}  // namespace memlong::backbone
