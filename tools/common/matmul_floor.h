// How fast this machine multiplies matrices: what the rates of networks are held against.
#pragma once

#include "ops/matmul.h"
#include "tensor/context.h"
#include "tensor/tensor.h"

namespace memlong::tools {

/// Rate of ops::matmul on 512 rows and a [4096, 4096] matrix; on a GPU 8192 rows and [8192, 8192],
/// several products in a row. The numbers are random: of equal ones a GPU makes more a second, for
/// it needs less power. Not thread-safe.
class MatmulFloor {
 public:
  /// Runs one product, so that nothing is met for the first time later. `side`: of another matrix,
  /// and the most rows; 0: as above.
  MatmulFloor(Context& context, DType dtype, int64_t side = 0);
  double flops_per_second();
  /// The best of all products that end within so many seconds, at least one.
  double best_of(double seconds);

 private:
  Context& context_;
  Tensor x_;
  Tensor out_;
  ops::PackedWeight weight_;
  int products_ = 1;  ///< that are timed together
};

}  // namespace memlong::tools
