#include "ops/zero.h"

#include "ops/checks.h"
#include "ops/dispatch.h"
#include "ops/zero_kernels.h"

namespace memlong::ops {

void zero(Context& context, const TensorView& x) {
  MEMLONG_CHECK(x.contiguous(), "zero x is not contiguous");
  if (x.empty()) return;
  check_device(context, x, "zero x");
  dispatch(context.device(), [&](auto tag) { zero_kernel<decltype(tag)::kDevice>(context, x); });
}

}  // namespace memlong::ops
