#include "ops/cross_entropy.h"

#include "ops/checks.h"
#include "ops/cross_entropy_kernels.h"
#include "ops/dispatch.h"

namespace memlong::ops {

void cross_entropy(Context& context, const CrossEntropyArgs& args) {
  check_rank(args.logits, 2, "cross_entropy logits");
  check_dtype(args.logits, DType::f32, "cross_entropy logits");
  check_rows(args.logits, "cross_entropy logits");
  check_device(context, args.logits, "cross_entropy logits");
  const auto rows = static_cast<size_t>(args.logits.dim(0));
  MEMLONG_CHECK(args.targets.size() == rows && args.weights.size() == rows &&
                    args.loss.size() == rows && (args.argmax.empty() || args.argmax.size() == rows),
                "cross_entropy needs a target, a weight and a loss for each row");
  if (args.dlogits.raw() != nullptr) {
    check_shape(args.dlogits, args.logits.shape(), "cross_entropy dlogits");
    check_rows(args.dlogits, "cross_entropy dlogits");
  }
  MEMLONG_CHECK(rows == 0 || args.logits.dim(1) > 0, "cross_entropy without a vocabulary");
  for (const int32_t target : args.targets) {
    MEMLONG_CHECK(target >= -1 && target < args.logits.dim(1),
                  "target " + std::to_string(target) + " outside the vocabulary of " +
                      std::to_string(args.logits.dim(1)));
  }
  if (rows == 0) return;
  dispatch(context.device(),
           [&](auto tag) { cross_entropy_kernel<decltype(tag)::kDevice>(context, args); });
}

}  // namespace memlong::ops
