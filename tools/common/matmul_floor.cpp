#include "tools/common/matmul_floor.h"

#include <algorithm>
#include <array>
#include <random>

#include "common/clock.h"
#include "ops/copy.h"

namespace memlong::tools {
namespace {

constexpr int64_t kRows = 512;
constexpr int64_t kSide = 4096;
constexpr int64_t kDeviceSide = 8192;
constexpr int kDeviceProducts = 4;
constexpr int64_t kDrawn = 256;  ///< rows that differ; more are these again

/// [rows, columns] in main memory, uniform in (-1, 1).
Tensor random_matrix(Context& host, int64_t rows, int64_t columns, DType dtype) {
  const Tensor numbers({std::min(rows, kDrawn), columns}, DType::f32);
  std::minstd_rand random(1);
  std::uniform_real_distribution<float> any(-1.0F, 1.0F);
  std::generate_n(numbers.data<float>(), numbers.view().elements(), [&] { return any(random); });
  Tensor matrix({rows, columns}, dtype);
  for (int64_t row = 0; row < rows; row += numbers.dim(0)) {
    const int64_t end = std::min(rows, row + numbers.dim(0));
    ops::copy(host, numbers.view().slice(0, 0, end - row), matrix.view().slice(0, row, end));
  }
  return matrix;
}

}  // namespace

MatmulFloor::MatmulFloor(Context& context, DType dtype, int64_t side) : context_(context) {
  const bool gpu = context.device() != Device::cpu;
  if (side == 0) side = gpu ? kDeviceSide : kSide;
  const int64_t rows = gpu ? side : std::min(side, kRows);
  if (gpu) products_ = kDeviceProducts;
  Context host({.threads = context.threads()});
  const Tensor matrix = random_matrix(host, side, side, dtype);
  x_ = ops::convert(context, matrix.view().slice(0, 0, rows), dtype);
  context.activate();
  out_ = Tensor({rows, side}, dtype, context.device());
  weight_ = ops::pack_weight(context, std::array{matrix.view()}, dtype);
  ops::matmul(context_, x_, weight_, out_);
  context_.synchronize();
}

double MatmulFloor::flops_per_second() {
  const Stopwatch watch;
  for (int i = 0; i < products_; ++i) ops::matmul(context_, x_, weight_, out_);
  context_.synchronize();
  const double each = 2.0 * static_cast<double>(out_.view().elements() * x_.dim(1));
  return products_ * each / watch.seconds();
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
