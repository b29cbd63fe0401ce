// Tensors that the host reads, wherever they were computed.
#pragma once

#include <utility>

#include "ops/copy.h"
#include "tensor/context.h"
#include "tensor/tensor.h"

namespace memlong::engine {

/// The view itself where it lies in main memory; else its elements, which `kept` then holds (it may
/// have held the view). Waits for what computes them.
inline TensorView in_main_memory(Context& context, const TensorView view, Tensor& kept) {
  if (view.device() == Device::cpu || view.empty()) return view;
  Tensor host(view.shape(), view.dtype());
  ops::copy(context, view, host);
  kept = std::move(host);
  return kept;
}

/// The other way round: for what the host has made and the network reads.
inline Tensor where_computed(Context& context, Tensor tensor) {
  if (context.device() == Device::cpu || tensor.empty()) return tensor;
  return ops::convert(context, tensor, tensor.dtype());
}

}  // namespace memlong::engine
