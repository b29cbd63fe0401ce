#include "ops/copy.h"

#include "ops/checks.h"
#include "ops/copy_kernels.h"
#include "ops/dispatch.h"

namespace memlong::ops {

void copy(Context& context, const TensorView& x, const TensorView& out) {
  check_shape(out, x.shape(), "copy out");
  if (x.empty()) return;
  check_rows(x, "copy x");
  check_rows(out, "copy out");
  if (context.device() == Device::cpu || x.device() == Device::cpu) {
    check_device(context, out, "copy out");
  }
  if (context.device() == Device::cpu) check_device(context, x, "copy x");
  dispatch(context.device(),
           [&](auto tag) { copy_kernel<decltype(tag)::kDevice>(context, x, out); });
}

Tensor convert(Context& context, const TensorView& x, DType dtype) {
  Tensor out(x.shape(), dtype, context.device());
  copy(context, x, out);
  return out;
}

}  // namespace memlong::ops
