#include "ops/cuda/gemm_library.h"
#include "ops/cuda/launch.h"
#include "ops/gemm_kernels.h"

namespace memlong::ops {
namespace {

constexpr int kThreads = 256;

/// A block for each row; T is as wide as an element.
template <class T>
__global__ void __launch_bounds__(kThreads) clear_rows(T* out, int64_t stride, int64_t columns) {
  T* row = out + blockIdx.x * stride;
  for (int64_t c = threadIdx.x; c < columns; c += kThreads) row[c] = 0;
}

void clear(Context& context, const TensorView& out) {
  const LaunchShape shape = {static_cast<unsigned>(out.dim(0)), kThreads};
  const auto run = [&](auto zero) {
    using T = decltype(zero);
    launch(context, "gemm without depth", shape, clear_rows<T>, static_cast<T*>(out.raw()),
           out.stride(0), out.dim(1));
  };
  if (out.dtype() == DType::f32) {
    run(uint32_t{0});
  } else {
    run(uint16_t{0});
  }
}

}  // namespace

template <>
void gemm_kernel<Device::cuda>(Context& context, const TensorView& a, const TensorView& b,
                               const TensorView& out, const GemmOptions& options) {
  if (a.elements() == 0) return clear(context, out);
  GemmCall call;
  call.left = gemm_matrix(b, options.transpose_b);
  call.right = gemm_matrix(a, options.transpose_a);
  call.out = gemm_matrix(out, false);
  call.dtype = a.dtype();
  call.out_dtype = out.dtype();
  call.accumulate = options.accumulate;
  (void)library_gemm(context, call);  // it has no bias
}

}  // namespace memlong::ops
