#include "ops/copy.h"

#include <vector>

#include "ops/checks.h"
#include "ops/copy_kernels.h"
#include "ops/dispatch.h"

namespace memlong::ops {
namespace {

void check_pair(const Context& context, const TensorView& x, const TensorView& out) {
  check_rows(x, "copy x");
  check_rows(out, "copy out");
  if (context.device() == Device::cpu || x.device() == Device::cpu) {
    check_device(context, out, "copy out");
  }
  if (context.device() == Device::cpu) check_device(context, x, "copy x");
}

}  // namespace

void copy(Context& context, const TensorView& x, const TensorView& out) {
  check_shape(out, x.shape(), "copy out");
  if (x.empty()) return;
  check_pair(context, x, out);
  dispatch(context.device(),
           [&](auto tag) { copy_kernel<decltype(tag)::kDevice>(context, x, out); });
}

void copy(Context& context, std::span<const CopyPair> pairs) {
  std::vector<CopyPair> filled;
  for (const CopyPair& pair : pairs) {
    check_shape(pair.out, pair.x.shape(), "copy out");
    if (pair.x.empty()) continue;
    check_pair(context, pair.x, pair.out);
    filled.push_back(pair);
  }
  if (filled.empty()) return;
  dispatch(context.device(),
           [&](auto tag) { copy_pairs_kernel<decltype(tag)::kDevice>(context, filled); });
}

Tensor convert(Context& context, const TensorView& x, DType dtype) {
  Tensor out(x.shape(), dtype, context.device());
  copy(context, x, out);
  return out;
}

}  // namespace memlong::ops
