#include "tools/common/matmul_floor.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "common/clock.h"

namespace memlong::tools {
namespace {

constexpr int64_t kRows = 512;
constexpr int64_t kSide = 4096;
constexpr int kSomeNumber = 0x3F;  // four of these bytes are 0.747 in f32, two in bf16

}  // namespace

MatmulFloor::MatmulFloor(Context& context, DType dtype)
    : context_(context), x_({kRows, kSide}, dtype), out_({kRows, kSide}, dtype) {
  const Tensor weight({kSide, kSide}, dtype);
  for (const TensorView& view : {x_.view(), weight.view()}) {
    std::memset(view.raw(), kSomeNumber, view.bytes());
  }
  weight_ = ops::pack_weight(context, std::array{weight.view()}, dtype);
  ops::matmul(context_, x_, weight_, out_);
}

double MatmulFloor::flops_per_second() {
  const Stopwatch watch;
  ops::matmul(context_, x_, weight_, out_);
  return 2.0 * static_cast<double>(kRows * kSide * kSide) / watch.seconds();
}

double MatmulFloor::best_of(double seconds) {
  const Stopwatch watch;
  double best = 0.0;
  do {
    best = std::max(best, flops_per_second());
  } while (watch.seconds() < seconds);
  return best;
}

}  // namespace memlong::tools
