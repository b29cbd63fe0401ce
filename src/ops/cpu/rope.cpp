#include <algorithm>

#include "ops/cpu/vec.h"
#include "ops/dispatch.h"
#include "ops/rope_kernels.h"
#include "tensor/parallel.h"

namespace memlong::ops {
namespace {

using cpu::Vec;

/// x and out may be the same row: pairs are read before they are written. sign -1 turns back.
template <class T>
void rotate(const T* x, const float* cos, const float* sin, float sign, T* out, int64_t half) {
  for (int64_t i = 0; i < half; i += cpu::kLanes) {
    const int64_t left = std::min(half - i, cpu::kLanes);
    const Vec a = cpu::load_part(x + i, left);
    const Vec b = cpu::load_part(x + i + half, left);
    const Vec c = cpu::load_part(cos + i, left);
    const Vec s = sign * cpu::load_part(sin + i, left);
    cpu::store_part(out + i, a * c - b * s, left);
    cpu::store_part(out + i + half, b * c + a * s, left);
  }
}

/// All rows stand one after the other from position `start` on.
void rotate_rows(Context& context, const TensorView& x, const RopeTable& table, int64_t start,
                 const TensorView& out, Turn turn) {
  const float sign = turn == Turn::forward ? 1.0F : -1.0F;
  dispatch_float(x.dtype(), [&](auto type) {
    using T = decltype(type);
    const int64_t heads = x.dim(1);
    const int64_t half = x.dim(2) / 2;
    const T* from = x.data<T>();
    T* to = out.data<T>();
    const double nanoseconds = 0.2 * static_cast<double>(heads * x.dim(2));
    parallel_for(context, x.dim(0), nanoseconds, [&](int64_t t) {
      const float* cos = table.cos().data<float>() + (start + t) * half;
      const float* sin = table.sin().data<float>() + (start + t) * half;
      for (int64_t h = 0; h < heads; ++h) {
        rotate(from + t * x.stride(0) + h * x.stride(1), cos, sin, sign,
               to + t * out.stride(0) + h * out.stride(1), half);
      }
    });
  });
}

}  // namespace

template <>
void rope_kernel<Device::cpu>(Context& context, const TensorView& x, const RopeTable& table,
                              std::span<const RopeRows> sequences, const TensorView& out,
                              Turn turn) {
  for (const RopeRows& rows : sequences) {
    rotate_rows(context, x.slice(0, rows.begin, rows.end), table, rows.start,
                out.slice(0, rows.begin, rows.end), turn);
  }
}

}  // namespace memlong::ops
