#include "common/error.h"
#include "ops/copy.h"
#include "ops/place_token_kernels.h"

namespace memlong::ops {

template <>
void place_token_kernel<Device::cpu>(Context& context, const RopeTable& table,
                                     const TokenPlaces& token) {
  const int64_t p = *token.position.data<int32_t>();
  MEMLONG_CHECK(p >= 0 && p < token.cached_k.dim(1),
                "place_token: position " + std::to_string(p) + " outside the window");
  const auto row = [p](const TensorView& x) { return x.slice(1, p, p + 1).permute({1, 0, 2}); };
  if (!token.raw_k.empty()) {
    copy(context, token.k, row(token.raw_k));
    copy(context, token.v, row(token.raw_v));
  }
  rope(context, token.k, table, p, row(token.cached_k));
  copy(context, token.v, row(token.cached_v));
  rope(context, token.q, table, p, token.q);
}

}  // namespace memlong::ops
