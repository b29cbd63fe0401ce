// Tensors in main memory, for files and for those who read a network's weights.
#pragma once

#include <vector>

#include "tensor/context.h"
#include "tensor/tensor.h"
#include "train/checkpoint.h"

namespace memlong::train {

/// A contiguous copy in main memory. Waits for what computes the view.
Tensor on_host(Context& context, const TensorView& view);

/// Named tensors as host code can read them: those that lie on a GPU are copied down, the others
/// are the views that were given.
class HostTensors {
 public:
  HostTensors(Context& context, const NamedTensors& tensors);
  [[nodiscard]] const NamedTensors& views() const { return views_; }

 private:
  std::vector<Tensor> copies_;
  NamedTensors views_;
};

}  // namespace memlong::train
