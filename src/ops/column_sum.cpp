#include "ops/column_sum.h"

#include "ops/checks.h"
#include "ops/column_sum_kernels.h"
#include "ops/dispatch.h"

namespace memlong::ops {

void column_sum(Context& context, const TensorView& x, const TensorView& out) {
  check_rank(x, 2, "column_sum x");
  check_shape(out, {x.dim(1)}, "column_sum out");
  check_dtype(out, DType::f32, "column_sum out");
  check_rows(x, "column_sum x");
  check_rows(out, "column_sum out");
  check_device(context, x, "column_sum x");
  if (x.empty()) return;
  dispatch(context.device(),
           [&](auto tag) { column_sum_kernel<decltype(tag)::kDevice>(context, x, out); });
}

}  // namespace memlong::ops
