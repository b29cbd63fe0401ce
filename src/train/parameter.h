// What is trained: named f32 tensors with their gradients.
#pragma once

#include <string>
#include <vector>

#include "tensor/tensor.h"

namespace memlong::train {

struct Parameter {
  /// Hugging Face's ("model.layers.5.mlp.up_proj.weight"), or for LoRA the layer's name with
  /// ".lora_A.weight" [r, in] or ".lora_B.weight" [out, r].
  std::string name;
  Tensor value;     ///< f32, where the network computes
  Tensor gradient;  ///< f32, same shape
  [[nodiscard]] bool is_matrix() const { return value.shape().rank() == 2; }
};

}  // namespace memlong::train
