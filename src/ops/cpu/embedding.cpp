#include <algorithm>

#include "ops/cpu/any_dtype.h"
#include "ops/cpu/convert.h"
#include "ops/embedding_kernels.h"
#include "tensor/parallel.h"

namespace memlong::ops {

template <>
void embedding_kernel<Device::cpu>(Context& context, const TensorView& table,
                                   std::span<const int32_t> ids, const TensorView& out) {
  cpu::dispatch_any_float(table.dtype(), [&](auto type) {
    using T = decltype(type);
    const auto* rows = static_cast<const std::byte*>(table.raw());
    const int64_t row_bytes = table.stride(0) * static_cast<int64_t>(sizeof(T));
    float* to = out.data<float>();
    parallel_for(context, out.dim(0), 0.3 * static_cast<double>(out.dim(1)), [&](int64_t t) {
      cpu::convert_row<T, float>(rows + ids[static_cast<size_t>(t)] * row_bytes,
                                 to + t * out.stride(0), out.dim(1));
    });
  });
}

template <>
void embedding_backward_kernel<Device::cpu>(Context& context, std::span<const int32_t> ids,
                                            const TensorView& dout, const TensorView& dtable) {
  constexpr int64_t kStrip = 64;  // a task takes so many columns of all tokens
  const int64_t columns = dout.dim(1);
  const int64_t strips = (columns + kStrip - 1) / kStrip;
  const double nanoseconds = 0.2 * static_cast<double>(dout.dim(0) * kStrip);
  parallel_for(context, strips, nanoseconds, [&](int64_t strip) {
    const int64_t begin = strip * kStrip;
    const int64_t count = std::min(kStrip, columns - begin);
    for (int64_t t = 0; t < dout.dim(0); ++t) {
      const int32_t id = ids[static_cast<size_t>(t)];
      if (id < 0) continue;
      const float* from = dout.data<float>() + t * dout.stride(0) + begin;
      float* to = dtable.data<float>() + id * dtable.stride(0) + begin;
#pragma omp simd
      for (int64_t c = 0; c < count; ++c) to[c] += from[c];
    }
  });
}

}  // namespace memlong::ops
