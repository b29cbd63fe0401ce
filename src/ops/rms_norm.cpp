#include "ops/rms_norm.h"

#include "ops/checks.h"
#include "ops/dispatch.h"
#include "ops/rms_norm_kernels.h"

namespace memlong::ops {

void rms_norm(Context& context, const TensorView& x, const TensorView& weight, float eps,
              const TensorView& out) {
  check_rank(x, 2, "rms_norm x");
  check_shape(out, x.shape(), "rms_norm out");
  check_shape(weight, {x.dim(1)}, "rms_norm weight");
  check_dtype(weight, DType::f32, "rms_norm weight");
  check_rows(x, "rms_norm x");
  check_rows(out, "rms_norm out");
  check_rows(weight, "rms_norm weight");
  check_device(context, x, "rms_norm x");
  if (x.empty()) return;
  dispatch(context.device(), [&](auto tag) {
    rms_norm_kernel<decltype(tag)::kDevice>(context, x, weight, eps, out);
  });
}

void rms_norm_backward(Context& context, const TensorView& x, const TensorView& weight, float eps,
                       const TensorView& dout, const TensorView& dx, const TensorView& dweight) {
  check_rank(x, 2, "rms_norm_backward x");
  check_shape(dout, x.shape(), "rms_norm_backward dout");
  check_shape(dx, x.shape(), "rms_norm_backward dx");
  check_shape(weight, {x.dim(1)}, "rms_norm_backward weight");
  check_dtype(weight, DType::f32, "rms_norm_backward weight");
  check_dtype(dx, DType::f32, "rms_norm_backward dx");
  check_rows(x, "rms_norm_backward x");
  check_rows(dout, "rms_norm_backward dout");
  check_rows(dx, "rms_norm_backward dx");
  check_rows(weight, "rms_norm_backward weight");
  check_device(context, x, "rms_norm_backward x");
  if (dweight.raw() != nullptr) {
    check_shape(dweight, weight.shape(), "rms_norm_backward dweight");
    check_dtype(dweight, DType::f32, "rms_norm_backward dweight");
    check_rows(dweight, "rms_norm_backward dweight");
  }
  if (x.empty()) return;
  dispatch(context.device(), [&](auto tag) {
    rms_norm_backward_kernel<decltype(tag)::kDevice>(context, x, weight, eps, dout, dx, dweight);
  });
}

}  // namespace memlong::ops
