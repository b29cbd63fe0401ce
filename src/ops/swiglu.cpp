#include "ops/swiglu.h"

#include "ops/checks.h"
#include "ops/dispatch.h"
#include "ops/swiglu_kernels.h"

namespace memlong::ops {

void swiglu(Context& context, const TensorView& gate_up, const TensorView& out) {
  check_rank(out, 2, "swiglu out");
  check_shape(gate_up, {out.dim(0), 2 * out.dim(1)}, "swiglu gate_up");
  check_dtype(out, gate_up.dtype(), "swiglu out");
  check_rows(gate_up, "swiglu gate_up");
  check_rows(out, "swiglu out");
  check_device(context, gate_up, "swiglu gate_up");
  if (out.empty()) return;
  dispatch(context.device(),
           [&](auto tag) { swiglu_kernel<decltype(tag)::kDevice>(context, gate_up, out); });
}

}  // namespace memlong::ops
