#include <algorithm>

#include "ops/scale_kernels.h"
#include "tensor/parallel.h"

namespace memlong::ops {

template <>
void scale_kernel<Device::cpu>(Context& context, const TensorView& x, float factor,
                               const TensorView& out) {
  constexpr int64_t kPiece = 16384;
  const int64_t count = x.elements();
  const auto* from = x.data<float>();
  auto* to = out.data<float>();
  parallel_for(context, (count + kPiece - 1) / kPiece, 0.2 * kPiece, [&](int64_t piece) {
    const int64_t end = std::min(count, (piece + 1) * kPiece);
    for (int64_t i = piece * kPiece; i < end; ++i) to[i] = factor * from[i];
  });
}

}  // namespace memlong::ops
