// The parameters of a network in training, and the layers that use them. Used within this folder.
#pragma once

#include <cstdint>
#include <vector>

#include "backbone/train_block.h"
#include "backbone/train_linear.h"
#include "model/config.h"
#include "model/weights.h"
#include "tensor/context.h"
#include "train/network.h"
#include "train/parameter.h"

namespace memlong::train {

/// Layers below the memory layer are there with TrainPart::all only.
struct NetworkWeights {
  std::vector<Parameter> parameters;         ///< in the model's order
  backbone::TrainTensor embedding;           ///< [V, C]; with TrainPart::all
  std::vector<backbone::TrainBlock> blocks;  ///< by layer
  backbone::TrainTensor final_norm;          ///< [C]
  backbone::TrainLinear head;                ///< [V, C]
  std::vector<Tensor> frozen;                ///< norms that are not trained, as f32
  int64_t first = 0;                         ///< lowest layer with something to train

  /// Packs what is trained (the first time: everything).
  void pack(Context& context, int64_t memory_layer, TrainPart part);
};

/// Errors: config (LoRA options), format (tensors).
NetworkWeights make_network_weights(Context& context, const model::WeightStore& store,
                                    const model::ModelConfig& config, int64_t memory_layer,
                                    const NetworkOptions& options);

}  // namespace memlong::train
