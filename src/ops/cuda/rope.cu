#include <vector>

#include "ops/cuda/elements.cuh"
#include "ops/dispatch.h"
#include "ops/rope_kernels.h"
#include "tensor/cuda/runtime.h"

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
  const float* cos;  ///< [positions, half]
  const float* sin;
  const int32_t* positions;  ///< of the tokens; null: from `start` on
  int64_t start;
  float sign;  ///< -1 turns back
  int64_t heads, half;

  template <int N>
  __device__ void at(int64_t i) const {
    const int64_t row = i / half;
    const int64_t pair = i - row * half;
    const int64_t token = row / heads;
    const int64_t head = row - token * heads;
    const int64_t place = positions == nullptr ? start + token : positions[token];
    const T* from = x + token * x_token + head * x_head + pair;
    float a[N];
    float b[N];
    float c[N];
    float s[N];
    device::load_floats(from, a);
    device::load_floats(from + half, b);
    device::load_floats(cos + place * half + pair, c);
    device::load_floats(sin + place * half + pair, s);
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

const int32_t* upload_positions(Context& context, std::span<const RopeRows> sequences) {
  std::vector<int32_t> positions;
  for (const RopeRows& rows : sequences) {
    for (int64_t t = rows.begin; t < rows.end; ++t) {
      positions.push_back(static_cast<int32_t>(rows.start + t - rows.begin));
    }
  }
  const TensorView copy =
      context.scratch("rope positions", {static_cast<int64_t>(positions.size())}, DType::i32);
  cuda::copy_bytes(context, copy.raw(), positions.data(), positions.size() * sizeof(int32_t));
  return copy.data<int32_t>();
}

}  // namespace

template <>
void rope_kernel<Device::cuda>(Context& context, const TensorView& x, const RopeTable& table,
                               std::span<const RopeRows> sequences, const TensorView& out,
                               Turn turn) {
  const int64_t half = x.dim(2) / 2;
  const bool one = sequences.size() == 1;
  const int32_t* positions = one ? nullptr : upload_positions(context, sequences);
  dispatch_float(x.dtype(), [&](auto type) {
    using T = decltype(type);
    const Rotation<T> work = {.x = x.data<T>(),
                              .x_token = x.stride(0),
                              .x_head = x.stride(1),
                              .out = out.data<T>(),
                              .out_token = out.stride(0),
                              .out_head = out.stride(1),
                              .cos = table.cos().data<float>(),
                              .sin = table.sin().data<float>(),
                              .positions = positions,
                              .start = one ? sequences[0].start : 0,
                              .sign = turn == Turn::forward ? 1.0F : -1.0F,
                              .heads = x.dim(1),
                              .half = half};
    for_elements(context, "rope", work, x.elements() / 2, half, x, out, table.cos(), table.sin());
  });
}

}  // namespace memlong::ops
