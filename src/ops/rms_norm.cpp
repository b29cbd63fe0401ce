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

}  // namespace memlong::ops
