#include "tools/common/matmul_floor.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "common/clock.h"
#include "ops/copy.h"

namespace memlong::tools {
namespace {

constexpr int64_t kRows = 512;
constexpr int64_t kSide = 4096;
constexpr int kSomeNumber = 0x3F;  // four of these bytes are 0.747 in f32, two in bf16

}  // namespace

MatmulFloor::MatmulFloor(Context& context, DType dtype) : context_(context) {
  const Tensor weight({kSide, kSide}, dtype);
  std::memset(weight.view().raw(), kSomeNumber, weight.bytes());
  const int64_t rows = context.device() == Device::cpu ? kRows : kSide;  // a GPU needs more work
  x_ = ops::convert(context, weight.view().slice(0, 0, rows), dtype);
  out_ = Tensor({rows, kSide}, dtype, context.device());
  weight_ = ops::pack_weight(context, std::array{weight.view()}, dtype);
  ops::matmul(context_, x_, weight_, out_);
  context_.synchronize();
}

double MatmulFloor::flops_per_second() {
  const Stopwatch watch;
  ops::matmul(context_, x_, weight_, out_);
  context_.synchronize();
  return 2.0 * static_cast<double>(out_.view().elements() * kSide) / watch.seconds();
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
