// How fast this machine multiplies matrices: what the rates of networks are held against.
#pragma once

#include "ops/matmul.h"
#include "tensor/context.h"
#include "tensor/tensor.h"

namespace memlong::tools {

/// Rate of ops::matmul on 512 rows (on a GPU 4096) and a [4096, 4096] matrix. Not thread-safe.
class MatmulFloor {
 public:
  /// Runs one product, so that nothing is met for the first time later.
  MatmulFloor(Context& context, DType dtype);
  double flops_per_second();  ///< of one product
  /// The best of all products that end within so many seconds, at least one.
  double best_of(double seconds);

 private:
  Context& context_;
  Tensor x_;
  Tensor out_;
  ops::PackedWeight weight_;
};

}  // namespace memlong::tools
