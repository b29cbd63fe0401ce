// Where the rows of a strided view lie, for kernels that copy.
#pragma once

#include <cstdint>

#include "ops/cuda/device.cuh"
#include "tensor/tensor.h"

namespace memlong::ops::device {

/// Rows of a view: their places follow from up to three outer extents.
struct RowPlaces {
  int64_t extent[3] = {1, 1, 1};
  int64_t stride[3] = {0, 0, 0};

  explicit RowPlaces(const TensorView& view) {
    const int outer = view.rank() - 1;
    for (int d = 0; d < outer; ++d) {
      extent[3 - outer + d] = view.dim(d);
      stride[3 - outer + d] = view.stride(d);
    }
  }
  __device__ int64_t offset(int64_t row) const {
    return row % extent[2] * stride[2] + row / extent[2] % extent[1] * stride[1] +
           row / (extent[2] * extent[1]) * stride[0];
  }
};

}  // namespace memlong::ops::device
