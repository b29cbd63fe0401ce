#include <algorithm>

#include "ops/column_sum_kernels.h"
#include "ops/cpu/vec.h"
#include "ops/dispatch.h"
#include "tensor/parallel.h"

namespace memlong::ops {
namespace {

using cpu::kLanes;
using cpu::Vec;

/// A task takes a strip of so many columns, all rows of it; so many rows are summed on their own,
/// which keeps long sums exact.
constexpr int64_t kVectors = 4;
constexpr int64_t kStrip = kVectors * kLanes;
constexpr int64_t kBlockRows = 256;

/// x [rows, columns], columns <= kStrip.
template <class T>
void sum_strip(const T* x, int64_t stride, int64_t rows, int64_t columns, float* out) {
  for (int64_t block = 0; block < rows; block += kBlockRows) {
    const int64_t end = std::min(rows, block + kBlockRows);
    Vec sums[kVectors] = {};
    if (columns == kStrip) {
      for (int64_t t = block; t < end; ++t) {
        for (int64_t v = 0; v < kVectors; ++v) sums[v] += cpu::load(x + t * stride + v * kLanes);
      }
    } else {
      for (int64_t t = block; t < end; ++t) {
        for (int64_t v = 0; v * kLanes < columns; ++v) {
          sums[v] += cpu::load_part(x + t * stride + v * kLanes, columns - v * kLanes);
        }
      }
    }
    for (int64_t v = 0; v * kLanes < columns; ++v) {
      float* to = out + v * kLanes;
      const int64_t left = columns - v * kLanes;
      cpu::store_part(to, cpu::load_part(to, left) + sums[v], left);
    }
  }
}

}  // namespace

template <>
void column_sum_kernel<Device::cpu>(Context& context, const TensorView& x, const TensorView& out) {
  const int64_t strips = (x.dim(1) + kStrip - 1) / kStrip;
  const double nanoseconds = 0.1 * static_cast<double>(x.dim(0) * kStrip);
  dispatch_float(x.dtype(), [&](auto type) {
    using T = decltype(type);
    parallel_for(context, strips, nanoseconds, [&](int64_t strip) {
      const int64_t column = strip * kStrip;
      sum_strip(x.data<T>() + column, x.stride(0), x.dim(0), std::min(kStrip, x.dim(1) - column),
                out.data<float>() + column);
    });
  });
}

}  // namespace memlong::ops
