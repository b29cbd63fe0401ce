#include <algorithm>
#include <cmath>
#include <limits>

#include "ops/cpu/vec.h"
#include "ops/cross_entropy_kernels.h"
#include "ops/dispatch.h"
#include "tensor/parallel.h"

namespace memlong::ops {
namespace {

using cpu::kLanes;
using cpu::Vec;
using cpu::VecInt;

constexpr float kLowest = -std::numeric_limits<float>::infinity();
/// So many terms are summed in f32 before they join the sum in double.
constexpr int64_t kSumBlock = 4096;

/// The first `count` elements, then -inf.
Vec load_logits(const float* x, int64_t count) {
  if (count >= kLanes) return cpu::load(x);
  const VecInt inside = cpu::lane_ids() < static_cast<int32_t>(count);
  return inside ? cpu::load_part(x, count) : cpu::broadcast(kLowest);
}

struct Largest {
  float value;
  int32_t index;  ///< the lowest of equals
};

Largest largest_of(const float* x, int64_t count) {
  Vec best = cpu::broadcast(kLowest);
  VecInt at{};
  VecInt here = cpu::lane_ids();
  for (int64_t v = 0; v < count; v += kLanes, here += static_cast<int32_t>(kLanes)) {
    const Vec value = load_logits(x + v, count - v);
    const VecInt better = value > best;
    best = better ? value : best;
    at = better ? here : at;
  }
  Largest largest{best[0], at[0]};
  for (int i = 1; i < kLanes; ++i) {
    const bool earlier = best[i] == largest.value && at[i] < largest.index;
    if (best[i] > largest.value || earlier) largest = {best[i], at[i]};
  }
  return largest;
}

/// sum exp(x - shift)
double sum_of_exps(const float* x, int64_t count, float shift) {
  double sum = 0.0;
  for (int64_t block = 0; block < count; block += kSumBlock) {
    Vec part{};
    for (int64_t v = block; v < std::min(block + kSumBlock, count); v += kLanes) {
      part += cpu::exp(load_logits(x + v, count - v) - shift);
    }
    sum += cpu::sum_of(part);
  }
  return sum;
}

template <class T>
void scale_exps(const float* x, int64_t count, float shift, float scale, T* out) {
  for (int64_t v = 0; v < count; v += kLanes) {
    const int64_t left = count - v;
    cpu::store_part(out + v, cpu::exp(load_logits(x + v, left) - shift) * scale, left);
  }
}

template <class T>
void row(const CrossEntropyArgs& args, int64_t t, T* gradient) {
  const auto i = static_cast<size_t>(t);
  const int64_t count = args.logits.dim(1);
  const float* x = args.logits.data<float>() + t * args.logits.stride(0);
  const int32_t target = args.targets[i];
  const float weight = args.weights[i];
  Largest largest{0.0F, 0};
  if (target >= 0 || !args.argmax.empty()) largest = largest_of(x, count);
  if (!args.argmax.empty()) args.argmax[i] = largest.index;
  args.loss[i] = 0.0F;
  if (target < 0) {
    if (gradient != nullptr) std::fill_n(gradient, count, T{});
    return;
  }
  const float at_target = x[target];  // gradient may be x
  const double sum = sum_of_exps(x, count, largest.value);
  const double distance = static_cast<double>(largest.value) - static_cast<double>(at_target);
  args.loss[i] = static_cast<float>(std::log(sum) + distance);
  if (gradient == nullptr) return;
  if (weight == 0.0F) return static_cast<void>(std::fill_n(gradient, count, T{}));
  scale_exps(x, count, largest.value, static_cast<float>(weight / sum), gradient);
  const double share = std::exp(-distance) / sum;
  cpu::store_part(gradient + target, cpu::broadcast(static_cast<float>(weight * (share - 1.0))), 1);
}

}  // namespace

template <>
void cross_entropy_kernel<Device::cpu>(Context& context, const CrossEntropyArgs& args) {
  const TensorView& d = args.dlogits;
  const double nanoseconds =
      (d.raw() == nullptr ? 0.6 : 1.0) * static_cast<double>(args.logits.dim(1));
  dispatch_float(d.raw() == nullptr ? DType::f32 : d.dtype(), [&](auto type) {
    using T = decltype(type);
    parallel_for(context, args.logits.dim(0), nanoseconds, [&](int64_t t) {
      row<T>(args, t, d.raw() == nullptr ? nullptr : d.data<T>() + t * d.stride(0));
    });
  });
}

}  // namespace memlong::ops
