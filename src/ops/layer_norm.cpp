#include "ops/layer_norm.h"

#include "ops/checks.h"
#include "ops/dispatch.h"
#include "ops/layer_norm_kernels.h"

namespace memlong::ops {

void layer_norm(Context& context, const LayerNormArgs& args) {
  check_rank(args.x, 2, "layer_norm x");
  check_rows(args.x, "layer_norm x");
  check_device(context, args.x, "layer_norm x");
  check_shape(args.out, args.x.shape(), "layer_norm out");
  check_rows(args.out, "layer_norm out");
  if (args.add.raw() != nullptr) {
    check_shape(args.add, args.x.shape(), "layer_norm add");
    check_dtype(args.add, DType::f32, "layer_norm add");
    check_rows(args.add, "layer_norm add");
  }
  for (const TensorView& each : {args.weight, args.bias}) {
    check_shape(each, {args.x.dim(1)}, "layer_norm weight and bias");
    check_dtype(each, DType::f32, "layer_norm weight and bias");
    check_rows(each, "layer_norm weight and bias");
  }
  if (args.x.empty()) return;
  dispatch(context.device(),
           [&](auto tag) { layer_norm_kernel<decltype(tag)::kDevice>(context, args); });
}

}  // namespace memlong::ops
