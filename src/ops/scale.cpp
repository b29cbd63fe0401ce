#include "ops/scale.h"

#include "ops/checks.h"
#include "ops/dispatch.h"
#include "ops/scale_kernels.h"

namespace memlong::ops {

void scale(Context& context, const TensorView& x, float factor, const TensorView& out) {
  check_shape(out, x.shape(), "scale out");
  for (const TensorView* each : {&x, &out}) {
    check_dtype(*each, DType::f32, "scale operand");
    check_device(context, *each, "scale operand");
    MEMLONG_CHECK(each->contiguous(), "scale operand is not contiguous");
  }
  if (x.empty()) return;
  dispatch(context.device(),
           [&](auto tag) { scale_kernel<decltype(tag)::kDevice>(context, x, factor, out); });
}

}  // namespace memlong::ops
