#include <algorithm>
#include <cmath>

#include "ops/column_sum.h"
#include "ops/cpu/vec.h"
#include "ops/dispatch.h"
#include "ops/rms_norm_kernels.h"
#include "tensor/parallel.h"

namespace memlong::ops {
namespace {

using cpu::kLanes;
using cpu::Vec;

/// Rows whose share of dweight is summed one after the other; the shares are then added up.
constexpr int64_t kBlockRows = 64;

/// dweight may be null.
template <class In, class Grad>
void row(const In* x, const float* weight, float eps, const Grad* dout, float* dx, float* dweight,
         int64_t count) {
  Vec squares{};
  Vec products{};
  for (int64_t c = 0; c < count; c += kLanes) {
    const int64_t left = count - c;
    const Vec value = cpu::load_part(x + c, left);
    squares += value * value;
    products += value * (cpu::load_part(weight + c, left) * cpu::load_part(dout + c, left));
  }
  const auto columns = static_cast<float>(count);
  const float r = 1.0F / std::sqrt(cpu::sum_of(squares) / columns + eps);
  const float along = r * r * (cpu::sum_of(products) / columns);  // mean(weight dout n) r
  for (int64_t c = 0; c < count; c += kLanes) {
    const int64_t left = count - c;
    const Vec n = cpu::load_part(x + c, left) * r;
    const Vec slope = cpu::load_part(dout + c, left);
    const Vec change = r * (cpu::load_part(weight + c, left) * slope) - n * along;
    cpu::store_part(dx + c, cpu::load_part(dx + c, left) + change, left);
    if (dweight == nullptr) continue;
    cpu::store_part(dweight + c, cpu::load_part(dweight + c, left) + slope * n, left);
  }
}

}  // namespace

template <>
void rms_norm_backward_kernel<Device::cpu>(Context& context, const TensorView& x,
                                           const TensorView& weight, float eps,
                                           const TensorView& dout, const TensorView& dx,
                                           const TensorView& dweight) {
  const int64_t rows = x.dim(0);
  const int64_t columns = x.dim(1);
  const int64_t blocks = (rows + kBlockRows - 1) / kBlockRows;
  const bool sums = dweight.raw() != nullptr;
  TensorView shares;
  if (sums) shares = context.scratch("rms_norm dweight", {blocks, columns}, DType::f32);
  dispatch_float(x.dtype(), [&](auto in) {
    dispatch_float(dout.dtype(), [&](auto grad) {
      const auto* from = x.data<decltype(in)>();
      const auto* slope = dout.data<decltype(grad)>();
      const double nanoseconds = 0.5 * static_cast<double>(kBlockRows * columns);
      parallel_for(context, blocks, nanoseconds, [&](int64_t block) {
        float* share = sums ? shares.data<float>() + block * columns : nullptr;
        if (sums) std::fill_n(share, columns, 0.0F);
        const int64_t end = std::min(rows, (block + 1) * kBlockRows);
        for (int64_t t = block * kBlockRows; t < end; ++t) {
          row(from + t * x.stride(0), weight.data<float>(), eps, slope + t * dout.stride(0),
              dx.data<float>() + t * dx.stride(0), share, columns);
        }
      });
    });
  });
  if (sums) column_sum(context, shares, dweight);
}

}  // namespace memlong::ops
