#include "ops/gelu.h"

#include "ops/checks.h"
#include "ops/dispatch.h"
#include "ops/gelu_kernels.h"

namespace memlong::ops {

void gelu(Context& context, const TensorView& x, const TensorView& out) {
  check_rank(x, 2, "gelu x");
  check_shape(out, x.shape(), "gelu out");
  check_dtype(out, x.dtype(), "gelu out");
  check_rows(x, "gelu x");
  check_rows(out, "gelu out");
  check_device(context, x, "gelu x");
  if (x.empty()) return;
  dispatch(context.device(),
           [&](auto tag) { gelu_kernel<decltype(tag)::kDevice>(context, x, out); });
}

}  // namespace memlong::ops
