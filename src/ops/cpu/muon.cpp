#include <algorithm>

#include "ops/cpu/convert.h"
#include "ops/muon_kernels.h"
#include "tensor/parallel.h"

namespace memlong::ops {
namespace {

/// fn(begin, end) for pieces of [0, count).
template <class Fn>
void in_pieces(const Context& context, int64_t count, const Fn& fn) {
  constexpr int64_t kPiece = 16384;
  parallel_for(context, (count + kPiece - 1) / kPiece, 0.4 * kPiece,
               [&](int64_t piece) { fn(piece * kPiece, std::min(count, (piece + 1) * kPiece)); });
}

}  // namespace

template <>
void muon_momentum_kernel<Device::cpu>(Context& context, const TensorView& gradient,
                                       const TensorView& u, const TensorView& d,
                                       const MuonOptions& options) {
  const auto* g = gradient.data<float>();
  auto* sum = u.data<float>();
  auto* out = d.data<float>();
  const float scale = options.gradient_scale;
  const float momentum = options.momentum;
  const float fresh = options.nesterov ? scale : 0.0F;
  const float old = options.nesterov ? momentum : 1.0F;
  in_pieces(context, u.elements(), [=](int64_t begin, int64_t end) {
#pragma omp simd
    for (int64_t i = begin; i < end; ++i) {
      sum[i] = momentum * sum[i] + scale * g[i];
      out[i] = fresh * g[i] + old * sum[i];
    }
  });
}

template <>
void muon_round_kernel<Device::cpu>(Context& context, const TensorView& x, const TensorView& low,
                                    float scale, float factor) {
  auto* wide = x.data<float>();
  auto* narrow = low.data<bf16>();
  in_pieces(context, x.elements(), [=](int64_t begin, int64_t end) {
#pragma omp simd
    for (int64_t i = begin; i < end; ++i) {
      const float value = scale * wide[i];
      narrow[i].bits = cpu::bf16_bits(value);
      wide[i] = factor * value;
    }
  });
}

template <>
void muon_combine_kernel<Device::cpu>(Context& context, const TensorView& low,
                                      const TensorView& square, float b, float c) {
  auto* narrow = low.data<bf16>();
  const auto* wide = square.data<float>();
  in_pieces(context, low.elements(), [=](int64_t begin, int64_t end) {
#pragma omp simd
    for (int64_t i = begin; i < end; ++i) {
      const float value = std::bit_cast<float>(static_cast<uint32_t>(narrow[i].bits) << 16);
      narrow[i].bits = cpu::bf16_bits(b * value + c * wide[i]);
    }
  });
}

template <>
void muon_apply_kernel<Device::cpu>(Context& context, const TensorView& value, const TensorView& x,
                                    float keep, float rate) {
  auto* to = value.data<float>();
  const auto* from = x.data<float>();
  in_pieces(context, value.elements(), [=](int64_t begin, int64_t end) {
#pragma omp simd
    for (int64_t i = begin; i < end; ++i) to[i] = keep * to[i] - rate * from[i];
  });
}

}  // namespace memlong::ops
