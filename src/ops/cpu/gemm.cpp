// A's rows are made contiguous before oneDNN multiplies: it takes A's columns at about the same
// speed, but then shares a deep sum among threads where the output is small, and the rounding
// depends on their number.
#include <algorithm>
#include <cstddef>
#include <cstring>

#include "ops/copy.h"
#include "ops/cpu/onednn.h"
#include "ops/cpu/transpose_rows.h"
#include "ops/gemm_kernels.h"

namespace memlong::ops {
namespace {

using dnnl::memory;

TensorView turned(Context& context, const TensorView& a) {
  const TensorView rows = context.scratch("gemm a", {a.dim(1), a.dim(0)}, a.dtype());
  cpu::transpose_rows(context, a, rows);
  return rows;
}

TensorView dense(Context& context, const TensorView& b) {
  if (b.contiguous()) return b;
  const TensorView rows = context.scratch("gemm b", b.shape(), b.dtype());
  copy(context, b, rows);
  return rows;
}

void clear(const TensorView& out) {
  const size_t bytes = static_cast<size_t>(out.dim(1)) * dtype_size(out.dtype());
  const int64_t stride = out.stride(0) * static_cast<int64_t>(dtype_size(out.dtype()));
  for (int64_t m = 0; m < out.dim(0); ++m) {
    std::memset(static_cast<std::byte*>(out.raw()) + m * stride, 0, bytes);
  }
}

void product(Context& context, const TensorView& a, const TensorView& b, const TensorView& out,
             const GemmOptions& options, bool accumulate) {
  const TensorView left = options.transpose_a ? turned(context, a) : a;
  const memory::desc layout({left.dim(1), out.dim(1)}, cpu::onednn_type(b.dtype()),
                            options.transpose_b ? memory::format_tag::ba : memory::format_tag::ab);
  const auto form = options.transpose_b ? cpu::WeightForm::columns : cpu::WeightForm::rows;
  cpu::run_product(context, {left, form, &layout, b.raw(), out, {}, accumulate});
}

/// So deep are the slices whose products are added up one by one: what was turned is then still in
/// cache when it is multiplied. An output that is itself beyond the cache is not read that often.
constexpr int64_t kSlice = 512;
constexpr int64_t kLargestSlicedOut = int64_t{1} << 19;

}  // namespace

template <>
void gemm_kernel<Device::cpu>(Context& context, const TensorView& a, const TensorView& b,
                              const TensorView& out, const GemmOptions& options) {
  if (a.elements() == 0) return clear(out);
  const TensorView right = dense(context, b);
  const bool sliced = options.transpose_a && !options.transpose_b && out.dtype() == DType::f32 &&
                      out.elements() <= kLargestSlicedOut;
  cpu::guarded("gemm", [&] {
    if (!sliced) return product(context, a, right, out, options, options.accumulate);
    const int64_t depth = a.dim(0);
    for (int64_t begin = 0; begin < depth; begin += kSlice) {
      const int64_t end = std::min(depth, begin + kSlice);
      product(context, a.slice(0, begin, end), right.slice(0, begin, end), out, options,
              options.accumulate || begin > 0);
    }
  });
}

}  // namespace memlong::ops
