// oneDNN multiplies plain operands well, but shares a deep sum among threads where the output is
// small, and the rounding then depends on their number. With B in its blocked layout and A's rows
// contiguous it does not; both copies are cheap beside the product.
#include <algorithm>

#include "ops/cpu/onednn.h"
#include "ops/cpu/parallel.h"
#include "ops/cpu/transpose_rows.h"
#include "ops/cpu/vec.h"
#include "ops/gemm_kernels.h"

namespace memlong::ops {
namespace {

using dnnl::memory;

/// A [M, K] with contiguous rows.
TensorView rows_of_a(Context& context, const TensorView& a, bool transposed) {
  if (!transposed) return a;
  const int64_t m = a.dim(1);
  const int64_t depth = a.dim(0);
  // Room for whole vectors; not a power of two, which would crowd the rows into few cache sets.
  const int64_t stride = cpu::round_up(depth, 32) + 32;
  const TensorView turned = context.scratch("gemm a", {m, stride}, a.dtype()).slice(1, 0, depth);
  cpu::transpose_rows(context, a, turned);
  return turned;
}

/// B [K, N] in `layout`.
void* blocks_of_b(Context& context, cpu::OneDnn& onednn, const TensorView& b, bool transposed,
                  const memory::desc& layout) {
  const int64_t stride = std::max(b.stride(0), b.dim(1));
  const memory::desc plain =
      transposed
          ? memory::desc({b.dim(1), b.dim(0)}, cpu::onednn_type(b.dtype()), memory::dims{1, stride})
          : memory::desc({b.dim(0), b.dim(1)}, cpu::onednn_type(b.dtype()),
                         memory::dims{stride, 1});
  const TensorView blocks =
      context.scratch("gemm b", {static_cast<int64_t>(layout.get_size())}, DType::u8);
  const double work = 0.3 * static_cast<double>(b.elements());
  const cpu::ThreadCount threads(cpu::threads_for(context, work));
  cpu::reorder(onednn, plain, b.raw(), layout, blocks.raw());
  return blocks.raw();
}

void clear(const TensorView& out) {
  const size_t bytes = static_cast<size_t>(out.dim(1)) * dtype_size(out.dtype());
  const int64_t stride = out.stride(0) * static_cast<int64_t>(dtype_size(out.dtype()));
  for (int64_t m = 0; m < out.dim(0); ++m) {
    std::memset(static_cast<std::byte*>(out.raw()) + m * stride, 0, bytes);
  }
}

}  // namespace

template <>
void gemm_kernel<Device::cpu>(Context& context, const TensorView& a, const TensorView& b,
                              const TensorView& out, const GemmOptions& options) {
  if (a.elements() == 0) return clear(out);
  const TensorView left = rows_of_a(context, a, options.transpose_a);
  cpu::guarded("gemm", [&] {
    auto& onednn = context.extension<cpu::OneDnn>();
    memory::desc layout;
    {
      const cpu::ThreadCount all(context.threads());
      layout = onednn.blocked_layout(out.dim(1), left.dim(1), a.dtype());
    }
    void* blocks = blocks_of_b(context, onednn, b, options.transpose_b, layout);
    cpu::run_product(context, {left, &layout, blocks, out, {}, options.accumulate});
  });
}

}  // namespace memlong::ops
