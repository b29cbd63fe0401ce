// A linear layer in training: its product, the gradients of input and weights, and low-rank paths
// beside frozen weights (LoRA, arXiv 2106.09685).
//
//   y = x W^T + bias,           W [N, K] stacked from parts
//   y[:, begin:end] += scale (x A^T) B^T        for each low-rank path
#pragma once

#include <cstdint>
#include <vector>

#include "ops/matmul.h"
#include "tensor/context.h"
#include "tensor/tensor.h"

namespace memlong::backbone {

/// A tensor that may be trained.
struct TrainTensor {
  TensorView value;     ///< trained: f32; frozen: any float dtype
  TensorView gradient;  ///< f32, added to; empty: frozen
  [[nodiscard]] bool trained() const { return gradient.raw() != nullptr; }
};

/// On output columns [begin, end).
struct LowRank {
  int64_t begin = 0;
  int64_t end = 0;
  float scale = 1.0F;
  TrainTensor a;  ///< [r, K]
  TrainTensor b;  ///< [end - begin, r]
};

struct TrainLinearParts {
  std::vector<TrainTensor> weights;  ///< [N_i, K], stacked by rows
  std::vector<TrainTensor> biases;   ///< [N_i] f32, one for each weight, or none at all
  std::vector<LowRank> low_rank;
};

/// Not thread-safe. The tensors of its parts must outlive it.
class TrainLinear {
 public:
  TrainLinear() = default;
  /// `input_gradient`: backward() will be asked for dx.
  TrainLinear(TrainLinearParts parts, DType dtype, bool input_gradient);

  /// Packs everything the first time, then only what is trained: call after values changed.
  void pack(Context& context);
  [[nodiscard]] bool trained() const;
  [[nodiscard]] int64_t out_features() const { return rows_; }

  /// x [T, K] of the layer's dtype, out [T, N] f32 or that dtype. Returns the floating point
  /// operations.
  double forward(Context& context, const TensorView& x, const TensorView& out,
                 bool accumulate = false) const;

  /// From dout [T, N] and the x of the forward pass, both of the layer's dtype: adds to the
  /// gradients of what is trained, and writes (or adds to, f32 only) dx [T, K] unless it is empty.
  /// Returns the floating point operations.
  double backward(Context& context, const TensorView& x, const TensorView& dout,
                  const TensorView& dx, bool accumulate = false) const;

 private:
  /// scale A, B, and the transposes A and scale B, packed.
  struct PackedPath {
    ops::PackedWeight a, b, a_back, b_back;
  };

  void pack_path(Context& context, size_t i);
  double path_backward(Context& context, size_t i, const TensorView& x, const TensorView& dout,
                       const TensorView& dx) const;

  TrainLinearParts parts_;
  DType dtype_ = DType::bf16;
  bool input_gradient_ = false;
  int64_t rows_ = 0;     // N
  int64_t columns_ = 0;  // K
  ops::PackedWeight packed_;
  ops::PackedWeight transposed_;
  Tensor bias_;  // [N] f32
  std::vector<PackedPath> paths_;
};

}  // namespace memlong::backbone
