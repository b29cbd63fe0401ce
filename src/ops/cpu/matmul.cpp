#include "ops/cpu/onednn.h"
#include "ops/matmul_kernels.h"

namespace memlong::ops {

template <>
void matmul_kernel<Device::cpu>(Context& context, const TensorView& x,
                                const PackedWeight::Impl& weight, const TensorView& out,
                                const MatmulOptions& options) {
  const auto& blocked = static_cast<const cpu::BlockedWeight&>(weight);
  cpu::guarded("matmul", [&] {
    cpu::run_product(
        context, {x, cpu::WeightForm::blocked, &blocked.layout, blocked.storage.view().raw(), out,
                  options.bias, options.accumulate});
  });
}

}  // namespace memlong::ops
