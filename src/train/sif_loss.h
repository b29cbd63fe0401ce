// Loss of the `sif` embedder's token weights and its gradient. Internal to train.
#pragma once

#include <span>
#include <vector>

#include "retriever/embedder.h"
#include "tensor/context.h"
#include "tensor/tensor.h"
#include "train/sif_questions.h"

namespace memlong::train {

class SifLoss {
 public:
  /// table [V, C]: the model's token embeddings; copied, each row of length 1. component [C].
  SifLoss(Context& context, const TensorView& table, std::span<const float> component);

  /// The loss (sif_learning.h) of the dialogs' questions, each searching the known chunks of its
  /// own dialog and all chunks of the others. gradient [V] f32: d loss / d log_weight, written.
  /// Dialogs without questions only distract. 0 without any question.
  /// row_gradient [V, C] f32: d loss / d rows(), written; empty: not asked for.
  double run(std::span<const SifDialog* const> dialogs, const TensorView& log_weight, float scale,
             const TensorView& gradient, const TensorView& row_gradient = {});

  /// [V, C] f32, each row of length 1 at first; may be changed between two runs.
  TensorView rows() { return table_.view(); }

 private:
  struct Bag {
    std::span<const int32_t> ids;
    double norm = 0.0;  ///< of the sum without the component
  };
  Tensor embed(std::vector<Bag>& bags, const float* weight) const;
  void add_gradient(const Bag& bag, const float* vector, const float* dvector, const float* weight,
                    float* gradient, float* row_gradient) const;

  Context& context_;
  Tensor table_;  // [V, C] f32
  std::vector<float> component_;
};

}  // namespace memlong::train
