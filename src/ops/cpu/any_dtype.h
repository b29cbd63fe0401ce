// From a run-time dtype to a compile-time one, f16 included (for weights, which are only read).
#pragma once

#include <string>

#include "common/error.h"
#include "tensor/dtype.h"

namespace memlong::ops::cpu {

/// Calls fn(T{}) with T = float, bf16 or f16.
template <class Fn>
void dispatch_any_float(DType dtype, Fn&& fn) {
  switch (dtype) {
    case DType::f32:
      return fn(float{});
    case DType::bf16:
      return fn(bf16{});
    case DType::f16:
      return fn(f16{});
    default:
      fail(ErrorKind::internal, "no conversion for " + std::string(dtype_name(dtype)));
  }
}

}  // namespace memlong::ops::cpu
