#include "ops/gemm.h"

#include "ops/checks.h"
#include "ops/dispatch.h"
#include "ops/gemm_kernels.h"

namespace memlong::ops {

void gemm(Context& context, const TensorView& a, const TensorView& b, const TensorView& out,
          const GemmOptions& options) {
  check_rank(a, 2, "gemm a");
  check_rank(b, 2, "gemm b");
  const int64_t depth = a.dim(options.transpose_a ? 0 : 1);
  const int64_t m = a.dim(options.transpose_a ? 1 : 0);
  const int64_t n = b.dim(options.transpose_b ? 0 : 1);
  check_shape(b, options.transpose_b ? Shape{n, depth} : Shape{depth, n}, "gemm b");
  check_shape(out, {m, n}, "gemm out");
  check_dtype(b, a.dtype(), "gemm b");
  MEMLONG_CHECK(out.dtype() == DType::f32 || (out.dtype() == a.dtype() && !options.accumulate),
                "gemm out must be f32, or a's dtype where nothing is accumulated");
  check_rows(a, "gemm a");
  check_rows(b, "gemm b");
  check_rows(out, "gemm out");
  check_device(context, a, "gemm a");
  check_device(context, b, "gemm b");
  check_device(context, out, "gemm out");
  if (out.empty() || (depth == 0 && options.accumulate)) return;
  dispatch(context.device(),
           [&](auto tag) { gemm_kernel<decltype(tag)::kDevice>(context, a, b, out, options); });
}

}  // namespace memlong::ops
