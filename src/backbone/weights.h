// The network's weights, packed for the device that runs them.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "model/config.h"
#include "model/weights.h"
#include "ops/matmul.h"
#include "ops/rope.h"
#include "tensor/context.h"
#include "tensor/tensor.h"

namespace memlong::backbone {

/// One Llama block. Biases are f32 and empty where the model has none.
struct BlockWeights {
  Tensor input_norm;          ///< [C] f32
  Tensor post_norm;           ///< [C] f32, before the MLP
  ops::PackedWeight q;        ///< [H*D, C]
  ops::PackedWeight kv;       ///< [2*G*D, C]: keys, then values
  ops::PackedWeight o;        ///< [C, H*D]
  ops::PackedWeight gate_up;  ///< [2*F, C]: gate, then up
  ops::PackedWeight down;     ///< [C, F]
  Tensor q_bias;              ///< [H*D]
  Tensor kv_bias;             ///< [2*G*D]
  Tensor o_bias;              ///< [C]
  Tensor gate_up_bias;        ///< [2*F]
  Tensor down_bias;           ///< [C]
};

/// All of them. Immutable, shared, thread-safe for reading. `store` keeps the mapped files alive.
struct LlamaWeights {
  model::ModelConfig config;
  DType dtype = DType::bf16;  ///< of activations and matrices; the residual stream is f32
  std::shared_ptr<const model::WeightStore> store;
  TensorView embedding;  ///< [V, C], as the file has it, in main memory
  Tensor device_table;   ///< the same where the network runs on a GPU; else empty
  std::vector<BlockWeights> blocks;
  Tensor final_norm;       ///< [C] f32
  ops::PackedWeight head;  ///< [V, C]
  ops::RopeTable rope;     ///< positions of one window

  /// The embedding table where the network runs.
  [[nodiscard]] const TensorView& table() const {
    return device_table.empty() ? embedding : device_table.view();
  }
};

/// Packs the weights. `window`: the longest window that will be read. `writer_layer` >= 0 loads
/// only what writes memory (ingest): the blocks below that layer, and of that layer the norm and
/// kv: the first ones of a whole model, in the same order. `storage`: where packed matrices lie, if
/// not in memory of their own. Errors: format, for tensors that are missing or of another shape.
std::shared_ptr<const LlamaWeights> load_weights(Context& context,
                                                 std::shared_ptr<const model::WeightStore> store,
                                                 const model::ModelConfig& config, DType dtype,
                                                 int64_t window, int64_t writer_layer = -1,
                                                 ops::PackedStorage* storage = nullptr);

}  // namespace memlong::backbone
