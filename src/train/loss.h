// Final norm, head, cross-entropy, and back: block of rows by block of rows, so that the logits of
// all rows never exist. Used within this folder.
#pragma once

#include "backbone/train_linear.h"
#include "model/config.h"
#include "tensor/context.h"
#include "train/batch.h"
#include "train/packed_batch.h"

namespace memlong::train {

struct LossArgs {
  const model::ModelConfig& config;
  const backbone::TrainTensor& final_norm;
  const backbone::TrainLinear& head;
  DType dtype;
  const Batch& batch;
  const PackedBatch& packed;
  TensorView x;        ///< [rows, C] f32: the last layer's output
  float scale = 1.0F;  ///< of the gradient
  TensorView dx = {};  ///< [rows, C] f32, written; empty: no gradients
};

/// Rows without a target are left out. Adds the products' floating point operations to `flops`.
LossSums loss_pass(Context& context, const LossArgs& args, double& flops);

}  // namespace memlong::train
