// The network in training: forward and backward over a batch, gradients into parameters.
//
// Which parameters there are is decided once (TrainOptions). Those of the writer exist only with
// TrainPart::all, so the other parts cannot change it (docs/training.md).
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "backbone/weights.h"
#include "model/config.h"
#include "model/memory_settings.h"
#include "model/weights.h"
#include "tensor/context.h"
#include "train/batch.h"
#include "train/parameter.h"

namespace memlong::train {

enum class TrainPart : uint8_t {
  upper,  ///< every parameter above the writer: layer m's q, o, MLP and second norm, layers m+1..,
          ///< final norm (and the head, where it is not tied)
  lora,   ///< LoRA on the products of the same layers, and their norms
  all     ///< the whole network
};

struct LoraOptions {
  int64_t rank = 16;
  double alpha = 32.0;  ///< the product is scaled by alpha / rank
  /// Any of q_proj, k_proj, v_proj, o_proj, gate_proj, up_proj, down_proj. Layer m's k and v are
  /// never among them.
  std::vector<std::string> targets = {"q_proj", "k_proj", "v_proj", "o_proj"};
  bool norms = true;  ///< the norms above the writer are trained in full
};

struct NetworkOptions {
  TrainPart part = TrainPart::upper;
  LoraOptions lora = {};
  bool memory_layer = true;   ///< upper, lora: layer m's q, o, MLP and second norm learn too
  bool head = true;           ///< upper: an untied head learns too
  bool recompute = false;     ///< keep only each block's input, compute the rest again
  DType dtype = DType::bf16;  ///< of activations and products: f32 or bf16
  uint64_t seed = 1;          ///< of LoRA's A
};

/// Keys and values of layer m, before rope, that a pass made: [G, T, D] of the network's dtype,
/// where the network computes.
struct WrittenMemory {
  Tensor k;
  Tensor v;
};

/// Lives on the device of the context that it was made with, and is called with contexts of that
/// device. On a GPU a pass sends up tokens, targets and tables of what reads what, and memory that
/// lies on the host; back come the losses. Not thread-safe. With upper and lora, the writer reads
/// every sequence alone, as the Writer does in use: what it makes of a window does not depend on
/// the rest of the batch.
class Network {
 public:
  /// Parameters start as the store's tensors (LoRA: A uniform as in Hugging Face PEFT, B zero).
  /// Errors: config, format.
  Network(Context& context, std::shared_ptr<const model::WeightStore> store,
          const model::ModelConfig& config, const model::MemorySettings& settings,
          const NetworkOptions& options);
  ~Network();
  Network(const Network&) = delete;
  Network& operator=(const Network&) = delete;

  [[nodiscard]] std::vector<Parameter>& parameters();
  [[nodiscard]] int64_t parameter_count() const;  ///< trained elements
  /// Packs what changed: call after parameters were written to.
  void refresh(Context& context);
  void zero_gradients(Context& context);

  /// Adds the gradient of (sum of weight x loss) x scale to the parameters' gradients.
  LossSums forward_backward(Context& context, const Batch& batch, float scale);
  /// The same forward pass without gradients.
  LossSums evaluate(Context& context, const Batch& batch);
  /// What layer m wrote for sequence i of the last pass.
  [[nodiscard]] WrittenMemory written(size_t i) const;
  /// What layer m writes for tokens [T] at window positions 0..T-1: the writer alone runs. With
  /// upper and lora the bits that written() gives after a pass over the same sequence: a stream
  /// that is taken up again makes its memory anew with it.
  WrittenMemory write(Context& context, std::span<const int32_t> ids);

  /// Floating point operations of the products and the attention of the last pass.
  [[nodiscard]] double flops() const;
  /// The weights as they are now, for engine::Stream and others: a LoRA is merged into them.
  std::shared_ptr<const backbone::LlamaWeights> merged_weights(Context& context) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace memlong::train
