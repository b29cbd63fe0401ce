#include "ops/cpu/any_dtype.h"
#include "ops/cpu/convert.h"
#include "ops/cpu/parallel.h"
#include "ops/embedding_kernels.h"

namespace memlong::ops {

template <>
void embedding_kernel<Device::cpu>(Context& context, const TensorView& table,
                                   std::span<const int32_t> ids, const TensorView& out) {
  cpu::dispatch_any_float(table.dtype(), [&](auto type) {
    using T = decltype(type);
    const auto* rows = static_cast<const std::byte*>(table.raw());
    const int64_t row_bytes = table.stride(0) * static_cast<int64_t>(sizeof(T));
    float* to = out.data<float>();
    cpu::parallel_for(context, out.dim(0), 0.3 * static_cast<double>(out.dim(1)), [&](int64_t t) {
      cpu::convert_row<T, float>(rows + ids[static_cast<size_t>(t)] * row_bytes,
                                 to + t * out.stride(0), out.dim(1));
    });
  });
}

}  // namespace memlong::ops
