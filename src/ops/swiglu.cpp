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

void swiglu_backward(Context& context, const TensorView& gate_up, const TensorView& dout,
                     const TensorView& dgate_up) {
  check_rank(dout, 2, "swiglu_backward dout");
  check_shape(gate_up, {dout.dim(0), 2 * dout.dim(1)}, "swiglu_backward gate_up");
  check_shape(dgate_up, gate_up.shape(), "swiglu_backward dgate_up");
  check_dtype(dout, gate_up.dtype(), "swiglu_backward dout");
  check_dtype(dgate_up, gate_up.dtype(), "swiglu_backward dgate_up");
  check_rows(gate_up, "swiglu_backward gate_up");
  check_rows(dout, "swiglu_backward dout");
  check_rows(dgate_up, "swiglu_backward dgate_up");
  check_device(context, gate_up, "swiglu_backward gate_up");
  if (dout.empty()) return;
  dispatch(context.device(), [&](auto tag) {
    swiglu_backward_kernel<decltype(tag)::kDevice>(context, gate_up, dout, dgate_up);
  });
}

}  // namespace memlong::ops
