// What a Network consists of. Used within this folder.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "backbone/kv_cache.h"
#include "backbone/saved.h"
#include "backbone/train_block.h"
#include "backbone/writer.h"
#include "ops/rope.h"
#include "train/network.h"
#include "train/network_weights.h"
#include "train/packed_batch.h"

namespace memlong::train {

struct Network::Impl {
  std::shared_ptr<const model::WeightStore> store;
  model::ModelConfig config;
  int64_t memory_layer = 0;
  int64_t window = 0;
  NetworkOptions options;
  std::vector<bool> reads;  ///< by layer
  ops::RopeTable rope;
  NetworkWeights weights;

  /// The frozen writer (upper, lora).
  std::unique_ptr<backbone::Writer> writer;
  backbone::KvCache cache;

  // Of the last pass.
  PackedBatch packed;
  TensorView raw_kv;  ///< [all rows, 2*G*D]: layer m's keys before rope, and values
  double flops = 0.0;

  // Memory, used again by every pass.
  std::vector<backbone::GrowingBuffer> residual_buffers;  ///< 0, 1: in turn; layer + 2: kept
  std::vector<backbone::SavedBuffers> saved_buffers;      ///< 0: in turn; layer + 1: kept
  std::vector<backbone::SavedBlock> saved;                ///< by layer
  backbone::GrowingBuffer raw_kv_buffer;
  backbone::GrowingBuffer gradient_buffer;
  BatchMemory memory;

  [[nodiscard]] bool all() const { return options.part == TrainPart::all; }

  /// Forward, and with `train` backward.
  LossSums pass(Context& context, const Batch& batch, float scale, bool train);
  /// Layer m's keys and values of the batch's pasts, nothing more.
  void write_pasts(Context& context, const Batch& batch);

 private:
  [[nodiscard]] bool keeps(int64_t layer, bool train) const;
  [[nodiscard]] int64_t rows_into(int64_t layer) const;
  TensorView residual(Context& context, int64_t layer, bool train);
  backbone::SavedBlock saved_block(Context& context, int64_t layer, int64_t rows, bool train,
                                   const TensorView& x);
  [[nodiscard]] backbone::BlockRun run_of(int64_t layer) const;
  [[nodiscard]] const backbone::TrainBlock& block(int64_t layer) const;
  void start(Context& context, const Batch& batch);
  void write_frozen(Context& context, const TensorView& x);
  void forward_block(Context& context, const Batch& batch, int64_t layer, bool train);
  void forward(Context& context, const Batch& batch, bool train);
  void backward_block(Context& context, const Batch& batch, int64_t layer, const TensorView& dx);
  void backward(Context& context, const Batch& batch, const TensorView& dx);
};

}  // namespace memlong::train
