#include <algorithm>
#include <cmath>

#include "ops/cpu/vec.h"
#include "ops/dispatch.h"
#include "ops/layer_norm_kernels.h"
#include "tensor/parallel.h"

namespace memlong::ops {
namespace {

using cpu::kLanes;
using cpu::Vec;

/// A row of x + add; lanes past its end are 0.
template <class In>
struct SumRow {
  const In* x;
  const float* add;  ///< null: nothing
  int64_t count;

  [[nodiscard]] Vec at(int64_t c) const {
    const int64_t left = std::min(count - c, kLanes);
    const Vec value = cpu::load_part(x + c, left);
    return add == nullptr ? value : value + cpu::load_part(add + c, left);
  }
};

template <class In, class Out>
void norm_row(const SumRow<In>& row, const float* weight, const float* bias, float eps, Out* out) {
  Vec sum{};
  for (int64_t c = 0; c < row.count; c += kLanes) sum += row.at(c);
  const float mean = cpu::sum_of(sum) / static_cast<float>(row.count);
  Vec squares{};
  for (int64_t c = 0; c < row.count; c += kLanes) {
    Vec off = row.at(c) - mean;
    for (int64_t lane = row.count - c; lane < kLanes; ++lane) off[lane] = 0.0F;
    squares += off * off;
  }
  const float variance = cpu::sum_of(squares) / static_cast<float>(row.count);
  const float scale = 1.0F / std::sqrt(variance + eps);
  for (int64_t c = 0; c < row.count; c += kLanes) {
    const int64_t left = std::min(row.count - c, kLanes);
    const Vec normed = (row.at(c) - mean) * scale * cpu::load_part(weight + c, left);
    cpu::store_part(out + c, normed + cpu::load_part(bias + c, left), left);
  }
}

}  // namespace

template <>
void layer_norm_kernel<Device::cpu>(Context& context, const LayerNormArgs& args) {
  dispatch_float(args.x.dtype(), [&](auto in) {
    dispatch_float(args.out.dtype(), [&](auto to) {
      const auto* x = args.x.data<decltype(in)>();
      const auto* add = args.add.raw() == nullptr ? nullptr : args.add.data<float>();
      auto* out = args.out.data<decltype(to)>();
      const int64_t columns = args.x.dim(1);
      const double nanoseconds = 0.4 * static_cast<double>(columns);
      parallel_for(context, args.x.dim(0), nanoseconds, [&](int64_t t) {
        const float* added = add == nullptr ? nullptr : add + t * args.add.stride(0);
        norm_row(SumRow<decltype(in)>{x + t * args.x.stride(0), added, columns},
                 args.weight.data<float>(), args.bias.data<float>(), args.eps,
                 out + t * args.out.stride(0));
      });
    });
  });
}

}  // namespace memlong::ops
