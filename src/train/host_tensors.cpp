#include "train/host_tensors.h"

#include "ops/copy.h"

namespace memlong::train {

Tensor on_host(Context& context, const TensorView& view) {
  if (view.device() == Device::cpu) return Tensor::copy_of(view);
  Tensor host(view.shape(), view.dtype());
  ops::copy(context, view, host);
  return host;
}

HostTensors::HostTensors(Context& context, const NamedTensors& tensors) : views_(tensors) {
  for (auto& [name, view] : views_) {
    if (view.device() == Device::cpu) continue;
    copies_.push_back(on_host(context, view));
    view = copies_.back();
  }
}

}  // namespace memlong::train
