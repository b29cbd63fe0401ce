// From a run-time device or dtype to a compile-time one.
#pragma once

#include <string>

#include "common/error.h"
#include "tensor/device.h"
#include "tensor/dtype.h"

namespace memlong::ops {

template <Device D>
struct DeviceTag {
  static constexpr Device kDevice = D;
};

/// Calls fn(DeviceTag<D>{}); each op has `template <Device D> ..._kernel` with one explicit
/// specialisation per device, in cpu/ and cuda/. A build without CUDA names no CUDA symbol.
template <class Fn>
void dispatch(Device device, Fn&& fn) {
  if (device == Device::cpu) {
    fn(DeviceTag<Device::cpu>{});
  } else {
    if constexpr (kHasCuda) {
      fn(DeviceTag<Device::cuda>{});
    } else {
      fail(ErrorKind::device, "this build has no CUDA");
    }
  }
}

/// Calls fn(T{}) with T = float or bf16.
template <class Fn>
void dispatch_float(DType dtype, Fn&& fn) {
  switch (dtype) {
    case DType::f32:
      return fn(float{});
    case DType::bf16:
      return fn(bf16{});
    default:
      fail(ErrorKind::internal, "op has no kernel for " + std::string(dtype_name(dtype)));
  }
}

}  // namespace memlong::ops
