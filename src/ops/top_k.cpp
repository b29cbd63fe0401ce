#include "ops/top_k.h"

#include "ops/checks.h"
#include "ops/dispatch.h"
#include "ops/top_k_kernels.h"

namespace memlong::ops {

std::vector<Scored> top_k(Context& context, const TensorView& x, int64_t k) {
  check_rank(x, 1, "top_k x");
  check_dtype(x, DType::f32, "top_k x");
  check_rows(x, "top_k x");
  check_device(context, x, "top_k x");
  std::vector<Scored> best;
  if (k <= 0 || x.empty()) return best;
  dispatch(context.device(),
           [&](auto tag) { best = top_k_kernel<decltype(tag)::kDevice>(context, x, k); });
  return best;
}

int64_t argmax(Context& context, const TensorView& x) {
  MEMLONG_CHECK(!x.empty(), "argmax of nothing");
  return top_k(context, x, 1)[0].index;
}

}  // namespace memlong::ops
