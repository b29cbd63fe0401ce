#include "ops/cuda/elements.cuh"
#include "ops/dispatch.h"
#include "ops/rope_kernels.h"

namespace memlong::ops {
namespace {

/// Pair i is pair i % half of a head, heads in the order of x [T, H, D]. x and out may be the same:
/// a thread writes the pairs that it alone has read.
template <class T>
struct Rotation {
  const T* x;
  int64_t x_token, x_head;  ///< strides
  T* out;
  int64_t out_token, out_head;
  const float* cos;  ///< of the first token, [T, half]
  const float* sin;
  float sign;  ///< -1 turns back
  int64_t heads, half;

  template <int N>
  __device__ void at(int64_t i) const {
    const int64_t row = i / half;
    const int64_t pair = i - row * half;
    const int64_t token = row / heads;
    const int64_t head = row - token * heads;
    const T* from = x + token * x_token + head * x_head + pair;
    float a[N];
    float b[N];
    float c[N];
    float s[N];
    device::load_floats(from, a);
    device::load_floats(from + half, b);
    device::load_floats(cos + token * half + pair, c);
    device::load_floats(sin + token * half + pair, s);
#pragma unroll
    for (int j = 0; j < N; ++j) {
      const float first = a[j];
      s[j] *= sign;
      a[j] = first * c[j] - b[j] * s[j];
      b[j] = b[j] * c[j] + first * s[j];
    }
    T* to = out + token * out_token + head * out_head + pair;
    device::store_floats(to, a);
    device::store_floats(to + half, b);
  }
};

}  // namespace

template <>
void rope_kernel<Device::cuda>(Context& context, const TensorView& x, const RopeTable& table,
                               int64_t start, const TensorView& out, Turn turn) {
  const int64_t half = x.dim(2) / 2;
  const TensorView cos = table.cos().slice(0, start, start + x.dim(0));
  const TensorView sin = table.sin().slice(0, start, start + x.dim(0));
  dispatch_float(x.dtype(), [&](auto type) {
    using T = decltype(type);
    const Rotation<T> work = {.x = x.data<T>(),
                              .x_token = x.stride(0),
                              .x_head = x.stride(1),
                              .out = out.data<T>(),
                              .out_token = out.stride(0),
                              .out_head = out.stride(1),
                              .cos = cos.data<float>(),
                              .sin = sin.data<float>(),
                              .sign = turn == Turn::forward ? 1.0F : -1.0F,
                              .heads = x.dim(1),
                              .half = half};
    for_elements(context, "rope", work, x.elements() / 2, half, x, out, cos, sin);
  });
}

}  // namespace memlong::ops
