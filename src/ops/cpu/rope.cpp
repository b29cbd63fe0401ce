#include "ops/cpu/convert.h"
#include "ops/cpu/parallel.h"
#include "ops/dispatch.h"
#include "ops/rope_kernels.h"

namespace memlong::ops {
namespace {

/// x and out may be the same row: a pair is read before it is written.
template <class T>
void rotate(const T* x, const float* cos, const float* sin, T* out, int64_t half) {
#pragma omp simd
  for (int64_t i = 0; i < half; ++i) {
    const float a = cpu::to_float(x[i]);
    const float b = cpu::to_float(x[i + half]);
    cpu::store_float(out + i, a * cos[i] - b * sin[i]);
    cpu::store_float(out + i + half, b * cos[i] + a * sin[i]);
  }
}

}  // namespace

template <>
void rope_kernel<Device::cpu>(Context& context, const TensorView& x, const RopeTable& table,
                              int64_t start, const TensorView& out) {
  dispatch_float(x.dtype(), [&](auto type) {
    using T = decltype(type);
    const int64_t heads = x.dim(1);
    const int64_t half = x.dim(2) / 2;
    const T* from = x.data<T>();
    T* to = out.data<T>();
    cpu::parallel_for(context, x.dim(0), heads * half * 4, [&](int64_t t) {
      const float* cos = table.cos().data<float>() + (start + t) * half;
      const float* sin = table.sin().data<float>() + (start + t) * half;
      for (int64_t h = 0; h < heads; ++h) {
        rotate(from + t * x.stride(0) + h * x.stride(1), cos, sin,
               to + t * out.stride(0) + h * out.stride(1), half);
      }
    });
  });
}

}  // namespace memlong::ops
