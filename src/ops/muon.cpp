#include "ops/muon.h"

#include <algorithm>
#include <cmath>

#include "ops/adamw.h"
#include "ops/checks.h"
#include "ops/dispatch.h"
#include "ops/gemm.h"
#include "ops/muon_kernels.h"

namespace memlong::ops {
namespace {

constexpr float kA = 3.4445F;
constexpr float kB = -4.7750F;
constexpr float kC = 2.0315F;

/// One Newton-Schulz step of scale x. The smaller side is squared: A = X X^T or, of a tall X,
/// X^T X, which is the same step transposed. A and A A are symmetric.
template <Device D>
void newton_schulz(Context& context, const TensorView& x, float scale) {
  const bool tall = x.dim(0) > x.dim(1);
  const int64_t side = std::min(x.dim(0), x.dim(1));
  const TensorView low = context.scratch("muon.low", x.shape(), DType::bf16);
  const TensorView a = context.scratch("muon.a", {side, side}, DType::bf16);
  const TensorView square = context.scratch("muon.square", {side, side}, DType::f32);
  muon_round_kernel<D>(context, x, low, scale, kA);
  gemm(context, low, low, a, {.transpose_a = tall, .transpose_b = !tall});
  gemm(context, a, a, square);
  muon_combine_kernel<D>(context, a, square, kB, kC);
  gemm(context, tall ? low : a, tall ? a : low, x, {.accumulate = true});
}

}  // namespace

void muon(Context& context, const TensorView& value, const TensorView& gradient,
          const TensorView& u, const MuonOptions& options) {
  check_rank(value, 2, "muon value");
  for (const TensorView* x : {&value, &gradient, &u}) {
    check_shape(*x, value.shape(), "muon operand");
    check_dtype(*x, DType::f32, "muon operand");
    check_device(context, *x, "muon operand");
    MEMLONG_CHECK(x->contiguous(), "muon operand is not contiguous");
  }
  if (value.empty()) return;
  dispatch(context.device(), [&](auto tag) {
    constexpr Device kDevice = decltype(tag)::kDevice;
    const TensorView x = context.scratch("muon.x", value.shape(), DType::f32);
    muon_momentum_kernel<kDevice>(context, gradient, u, x, options);
    const double norm = std::sqrt(square_sum(context, x));
    const auto start = static_cast<float>(norm > 0.0 ? 1.0 / norm : 0.0);
    for (int step = 0; step < options.steps; ++step) {
      newton_schulz<kDevice>(context, x, step == 0 ? start : 1.0F);
    }
    const auto side = static_cast<float>(std::max(value.dim(0), value.dim(1)));
    const float factor = 0.2F * std::sqrt(side) * (options.steps == 0 ? start : 1.0F);
    muon_apply_kernel<kDevice>(context, value, x, 1.0F - options.lr * options.weight_decay,
                               options.lr * factor);
  });
}

}  // namespace memlong::ops
