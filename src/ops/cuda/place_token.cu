#include "ops/cuda/elements.cuh"
#include "ops/dispatch.h"
#include "ops/place_token_kernels.h"

namespace memlong::ops {
namespace {

/// Rows of a window, by kv head.
template <class T>
struct WindowRows {
  T* data;  ///< null: not wanted
  int64_t group, position;

  explicit WindowRows(const TensorView& x)
      : data(x.empty() ? nullptr : x.data<T>()), group(x.stride(0)), position(x.stride(1)) {}
  __device__ T* row(int64_t g, int64_t p) const { return data + g * group + p * position; }
};

/// Pair i is pair i % half of a head: of q's heads, then k's, then v's. A thread writes over those
/// pairs of q that it alone has read.
template <class T>
struct Placing {
  const int32_t* position;
  T* q;
  int64_t q_head;  ///< stride
  const T* k;
  int64_t k_head;
  const T* v;
  int64_t v_head;
  WindowRows<T> cached_k, cached_v, raw_k, raw_v;
  const float* cos;  ///< [W, half]
  const float* sin;
  int64_t heads, groups, half, window;

  template <int N>
  __device__ void at(int64_t i) const {
    const int64_t p = *position;
    if (p < 0 || p >= window) return;
    const int64_t row = i / half;
    const int64_t pair = i - row * half;
    const int64_t g = row - heads;
    if (row < heads) {
      T* x = q + row * q_head + pair;
      turn<N>(x, pair, p, x);
    } else if (g < groups) {
      const T* x = k + g * k_head + pair;
      if (raw_k.data != nullptr) move<N>(x, raw_k.row(g, p) + pair);
      turn<N>(x, pair, p, cached_k.row(g, p) + pair);
    } else {
      const T* x = v + (g - groups) * v_head + pair;
      if (raw_v.data != nullptr) move<N>(x, raw_v.row(g - groups, p) + pair);
      move<N>(x, cached_v.row(g - groups, p) + pair);
    }
  }

  /// As rope does it.
  template <int N>
  __device__ void turn(const T* from, int64_t pair, int64_t p, T* to) const {
    float a[N];
    float b[N];
    float c[N];
    float s[N];
    device::load_floats(from, a);
    device::load_floats(from + half, b);
    device::load_floats(cos + p * half + pair, c);
    device::load_floats(sin + p * half + pair, s);
#pragma unroll
    for (int j = 0; j < N; ++j) {
      const float first = a[j];
      a[j] = first * c[j] - b[j] * s[j];
      b[j] = b[j] * c[j] + first * s[j];
    }
    device::store_floats(to, a);
    device::store_floats(to + half, b);
  }

  template <int N>
  __device__ void move(const T* from, T* to) const {
    float a[N];
    float b[N];
    device::load_floats(from, a);
    device::load_floats(from + half, b);
    device::store_floats(to, a);
    device::store_floats(to + half, b);
  }
};

}  // namespace

template <>
void place_token_kernel<Device::cuda>(Context& context, const RopeTable& table,
                                      const TokenPlaces& token) {
  const int64_t half = token.q.dim(2) / 2;
  const int64_t heads = token.q.dim(1);
  const int64_t groups = token.k.dim(1);
  dispatch_float(token.q.dtype(), [&](auto type) {
    using T = decltype(type);
    const Placing<T> work = {.position = token.position.data<int32_t>(),
                             .q = token.q.data<T>(),
                             .q_head = token.q.stride(1),
                             .k = token.k.data<T>(),
                             .k_head = token.k.stride(1),
                             .v = token.v.data<T>(),
                             .v_head = token.v.stride(1),
                             .cached_k = WindowRows<T>(token.cached_k),
                             .cached_v = WindowRows<T>(token.cached_v),
                             .raw_k = WindowRows<T>(token.raw_k),
                             .raw_v = WindowRows<T>(token.raw_v),
                             .cos = table.cos().data<float>(),
                             .sin = table.sin().data<float>(),
                             .heads = heads,
                             .groups = groups,
                             .half = half,
                             .window = token.cached_k.dim(1)};
    for_elements(context, "place_token", work, (heads + 2 * groups) * half, half, token.q, token.k,
                 token.v, token.cached_k, token.cached_v, token.raw_k, token.raw_v, table.cos(),
                 table.sin());
  });
}

}  // namespace memlong::ops
