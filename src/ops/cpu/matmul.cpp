#include "ops/cpu/onednn.h"
#include "ops/cpu/widened_matmul.h"
#include "ops/matmul_kernels.h"

namespace memlong::ops {

template <>
void matmul_kernel<Device::cpu>(Context& context, const TensorView& x,
                                const PackedWeight::Impl& weight, const TensorView& out,
                                const MatmulOptions& options) {
  const auto& blocked = static_cast<const cpu::BlockedWeight&>(weight);
  const auto* words = static_cast<const uint32_t*>(blocked.storage.view().raw());
  const bool widened = blocked.dtype == DType::bf16 && !cpu::multiplies_bf16();
  if (x.dim(0) == 1 && blocked.blocks && !widened && cpu::bf16_gemv_available()) {
    cpu::bf16_gemv(context, *blocked.blocks,
                   {.x = x.data<bf16>(),
                    .k = x.dim(1),
                    .weights = words,
                    .out = out,
                    .bias = options.bias.raw() == nullptr ? nullptr : options.bias.data<float>(),
                    .accumulate = options.accumulate});
    return;
  }
  cpu::guarded("matmul", [&] {
    if (widened) {
      return cpu::widened_matmul(context, blocked.blocks.value(),
                                 {.x = x,
                                  .weights = words,
                                  .out = out,
                                  .bias = options.bias,
                                  .accumulate = options.accumulate});
    }
    cpu::run_product(
        context, {x, cpu::WeightForm::blocked, &blocked.layout, blocked.storage.view().raw(), out,
                  options.bias, options.accumulate});
  });
}

}  // namespace memlong::ops
