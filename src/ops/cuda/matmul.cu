// Weights lie on the device as they came, row by row: the library multiplies a matrix and its
// transpose at the same speed, so nothing is turned. A single row has a kernel of its own.
#include "ops/copy.h"
#include "ops/cuda/gemm_library.h"
#include "ops/cuda/launch.h"
#include "ops/cuda/row_product.h"
#include "ops/matmul_kernels.h"

namespace memlong::ops {
namespace {

struct DeviceWeight : PackedWeight::Impl {
  using Impl::Impl;
  [[nodiscard]] size_t bytes() const override { return storage.bytes(); }

  Tensor storage;           ///< [N, K], or [K, N] where transposed
  bool transposed = false;  ///< the stacked parts are [in, out]
};

/// What is added to a row. Of the library's kernels some read a bias by 16 bytes, whichever it is
/// told to choose from: it looks at the alignment of matrices only.
const float* aligned_bias(Context& context, const TensorView& bias) {
  if (bias.raw() == nullptr) return nullptr;
  if (rows_aligned(bias, 16)) return bias.data<float>();
  const TensorView aligned = context.scratch("matmul bias", bias.shape(), DType::f32);
  copy(context, bias, aligned);
  return aligned.data<float>();
}

/// out holds f32 or has no bias.
void multiply(Context& context, const TensorView& x, const DeviceWeight& weight,
              const TensorView& out, const MatmulOptions& options) {
  GemmCall call;
  call.left = gemm_matrix(weight.storage, !weight.transposed);
  call.right = gemm_matrix(x, false);
  call.out = gemm_matrix(out, false);
  call.dtype = weight.dtype;
  call.out_dtype = out.dtype();
  call.bias = aligned_bias(context, options.bias);
  call.accumulate = options.accumulate;
  if (!library_gemm(context, call)) add_bias(context, call.out, call.bias);
}

}  // namespace

template <>
std::shared_ptr<const PackedWeight::Impl> pack_weight_kernel<Device::cuda>(
    Context& context, std::span<const TensorView> parts, DType dtype, const PackOptions& options) {
  int64_t rows = 0;
  for (const TensorView& part : parts) rows += part.dim(0);
  const int64_t columns = parts[0].dim(1);
  auto packed =
      std::make_shared<DeviceWeight>(options.transposed ? columns : rows,
                                     options.transposed ? rows : columns, dtype, Device::cuda);
  context.activate();
  packed->storage = Tensor({rows, columns}, dtype, Device::cuda);
  packed->transposed = options.transposed;
  int64_t row = 0;
  for (const TensorView& part : parts) {
    copy(context, part, packed->storage.view().slice(0, row, row + part.dim(0)));
    row += part.dim(0);
  }
  return packed;
}

template <>
std::shared_ptr<const PackedWeight::Impl> pack_transposed_kernel<Device::cuda>(
    Context& /*context*/, std::span<const TensorView> /*parts*/, const PackedWeight::Impl& packed) {
  const auto& weight = static_cast<const DeviceWeight&>(packed);
  auto transposed = std::make_shared<DeviceWeight>(weight.k, weight.n, weight.dtype, Device::cuda);
  transposed->storage = weight.storage;
  transposed->transposed = !weight.transposed;
  return transposed;
}

template <>
void matmul_kernel<Device::cuda>(Context& context, const TensorView& x,
                                 const PackedWeight::Impl& weight, const TensorView& out,
                                 const MatmulOptions& options) {
  const auto& stored = static_cast<const DeviceWeight&>(weight);
  const RowProduct one{x, stored.storage, out, options.bias, options.accumulate};
  if (!stored.transposed && is_row_product(one)) return row_product(context, one);
  if (options.bias.raw() == nullptr || out.dtype() == DType::f32) {
    return multiply(context, x, stored, out, options);
  }
  // The library adds a bias in f32 to f32 only. Rounded once, as without a bias.
  const TensorView sums = context.scratch("matmul sums", out.shape(), DType::f32);
  if (options.accumulate) copy(context, out, sums);
  multiply(context, x, stored, sums, options);
  copy(context, sums, out);
}

}  // namespace memlong::ops
