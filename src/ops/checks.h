// Checks of operands that every op repeats. Error{internal} when they fail.
#pragma once

#include <string>

#include "common/error.h"
#include "tensor/context.h"
#include "tensor/tensor.h"

namespace memlong::ops {

inline void check_dtype(const TensorView& x, DType dtype, const char* name) {
  MEMLONG_CHECK(x.dtype() == dtype, std::string(name) + " is " +
                                        std::string(dtype_name(x.dtype())) + ", not " +
                                        std::string(dtype_name(dtype)));
}

inline void check_shape(const TensorView& x, const Shape& shape, const char* name) {
  MEMLONG_CHECK(x.shape() == shape,
                std::string(name) + " is " + x.shape().to_string() + ", not " + shape.to_string());
}

inline void check_rank(const TensorView& x, int rank, const char* name) {
  MEMLONG_CHECK(x.rank() == rank, std::string(name) + " is " + x.shape().to_string() +
                                      ", not of rank " + std::to_string(rank));
}

/// The last dimension is contiguous.
inline void check_rows(const TensorView& x, const char* name) {
  MEMLONG_CHECK(x.rank() > 0 && (x.dim(x.rank() - 1) <= 1 || x.stride(x.rank() - 1) == 1),
                std::string(name) + " has no contiguous rows");
}

inline void check_device(const Context& context, const TensorView& x, const char* name) {
  MEMLONG_CHECK(x.device() == context.device(), std::string(name) + " is on another device");
}

}  // namespace memlong::ops
