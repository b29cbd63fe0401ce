#include "ops/matmul.h"

#include "ops/checks.h"
#include "ops/dispatch.h"
#include "ops/matmul_kernels.h"

namespace memlong::ops {

int64_t PackedWeight::out_features() const { return impl_ == nullptr ? 0 : impl_->n; }
int64_t PackedWeight::in_features() const { return impl_ == nullptr ? 0 : impl_->k; }
DType PackedWeight::dtype() const { return impl_ == nullptr ? DType::f32 : impl_->dtype; }
size_t PackedWeight::bytes() const { return impl_ == nullptr ? 0 : impl_->bytes(); }

namespace {

PackedWeight pack(Context& context, std::span<const TensorView> parts, DType dtype,
                  const PackOptions& options) {
  MEMLONG_CHECK(!parts.empty(), "pack_weight without a matrix");
  MEMLONG_CHECK(dtype == DType::f32 || dtype == DType::bf16, "weights are packed as f32 or bf16");
  for (const TensorView& part : parts) {
    check_rank(part, 2, "weight");
    check_rows(part, "weight");
    MEMLONG_CHECK(!part.empty() && part.dim(1) == parts[0].dim(1),
                  "weights to be stacked need the same, non-empty rows");
  }
  std::shared_ptr<const PackedWeight::Impl> packed;
  dispatch(context.device(), [&](auto tag) {
    packed = pack_weight_kernel<decltype(tag)::kDevice>(context, parts, dtype, options);
  });
  return PackedWeight(std::move(packed));
}

}  // namespace

PackedWeight pack_weight(Context& context, std::span<const TensorView> parts, DType dtype,
                         PackedStorage* storage) {
  return pack(context, parts, dtype, {.storage = storage});
}

PackedWeight pack_weight_transposed(Context& context, std::span<const TensorView> parts,
                                    DType dtype) {
  return pack(context, parts, dtype, {.transposed = true});
}

PackedPair pack_weight_both(Context& context, std::span<const TensorView> parts, DType dtype) {
  PackedPair pair;
  pair.weight = pack(context, parts, dtype, {});
  dispatch(context.device(), [&](auto tag) {
    pair.transposed = PackedWeight(
        pack_transposed_kernel<decltype(tag)::kDevice>(context, parts, pair.weight.impl()));
  });
  return pair;
}

void matmul(Context& context, const TensorView& x, const PackedWeight& weight,
            const TensorView& out, const MatmulOptions& options) {
  MEMLONG_CHECK(!weight.empty(), "matmul without a weight");
  check_rank(x, 2, "matmul x");
  check_shape(x, {x.dim(0), weight.in_features()}, "matmul x");
  check_shape(out, {x.dim(0), weight.out_features()}, "matmul out");
  check_dtype(x, weight.dtype(), "matmul x");
  check_rows(x, "matmul x");
  check_rows(out, "matmul out");
  check_device(context, x, "matmul x");
  check_device(context, out, "matmul out");
  MEMLONG_CHECK(weight.impl().device == context.device(), "weight packed for another device");
  MEMLONG_CHECK(out.dtype() == DType::f32 || out.dtype() == weight.dtype(),
                "matmul out must be f32 or the weight's dtype");
  if (options.bias.raw() != nullptr) {
    check_shape(options.bias, {weight.out_features()}, "matmul bias");
    check_dtype(options.bias, DType::f32, "matmul bias");
    check_rows(options.bias, "matmul bias");
    check_device(context, options.bias, "matmul bias");
  }
  if (x.dim(0) == 0) return;
  dispatch(context.device(), [&](auto tag) {
    matmul_kernel<decltype(tag)::kDevice>(context, x, weight.impl(), out, options);
  });
}

}  // namespace memlong::ops
