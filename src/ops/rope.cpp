#include "ops/rope.h"

#include <cmath>

#include "ops/checks.h"
#include "ops/copy.h"
#include "ops/dispatch.h"
#include "ops/rope_kernels.h"

namespace memlong::ops {

RopeTable::RopeTable(const RopeParameters& parameters, int64_t head_dim, int64_t positions)
    : positions_(positions), head_dim_(head_dim) {
  const RopeFrequencies frequencies = rope_frequencies(parameters, head_dim, positions);
  const int64_t half = head_dim / 2;
  cos_ = Tensor({positions, half}, DType::f32);
  sin_ = Tensor({positions, half}, DType::f32);
  for (int64_t p = 0; p < positions; ++p) {
    for (int64_t i = 0; i < half; ++i) {
      const double angle = static_cast<double>(p) * frequencies.inverse[static_cast<size_t>(i)];
      cos_.data<float>()[p * half + i] =
          static_cast<float>(std::cos(angle) * frequencies.amplitude);
      sin_.data<float>()[p * half + i] =
          static_cast<float>(std::sin(angle) * frequencies.amplitude);
    }
  }
}

RopeTable RopeTable::on(Context& context) const {
  if (context.device() == Device::cpu) return *this;
  RopeTable table = *this;
  table.cos_ = convert(context, cos_, DType::f32);
  table.sin_ = convert(context, sin_, DType::f32);
  context.synchronize();  // other contexts may use it at once
  return table;
}

namespace {

void turn_rows(Context& context, const TensorView& x, const RopeTable& table,
               std::span<const RopeRows> sequences, const TensorView& out, Turn turn) {
  check_rank(x, 3, "rope x");
  check_shape(out, x.shape(), "rope out");
  check_dtype(out, x.dtype(), "rope out");
  check_rows(x, "rope x");
  check_rows(out, "rope out");
  check_device(context, x, "rope x");
  check_device(context, table.cos(), "rope table");
  MEMLONG_CHECK(x.dim(2) == table.head_dim(), "rope table of another head_dim");
  int64_t row = 0;
  for (const RopeRows& rows : sequences) {
    MEMLONG_CHECK(rows.begin == row && rows.begin <= rows.end, "rope sequences with a gap");
    row = rows.end;
    const int64_t last = rows.start + rows.end - rows.begin;
    MEMLONG_CHECK(rows.start >= 0 && last <= table.positions(),
                  "rope position " + std::to_string(last) + " outside the table of " +
                      std::to_string(table.positions()));
  }
  MEMLONG_CHECK(row == x.dim(0), "rope sequences do not cover the rows");
  if (x.empty()) return;
  dispatch(context.device(), [&](auto tag) {
    rope_kernel<decltype(tag)::kDevice>(context, x, table, sequences, out, turn);
  });
}

}  // namespace

void rope(Context& context, const TensorView& x, const RopeTable& table, int64_t start,
          const TensorView& out) {
  const RopeRows all{0, x.dim(0), start};
  turn_rows(context, x, table, std::span(&all, 1), out, Turn::forward);
}

void rope(Context& context, const TensorView& x, const RopeTable& table,
          std::span<const RopeRows> sequences, const TensorView& out) {
  turn_rows(context, x, table, sequences, out, Turn::forward);
}

void rope_backward(Context& context, const TensorView& dout, const RopeTable& table, int64_t start,
                   const TensorView& dx) {
  const RopeRows all{0, dout.dim(0), start};
  turn_rows(context, dout, table, std::span(&all, 1), dx, Turn::back);
}

void rope_backward(Context& context, const TensorView& dout, const RopeTable& table,
                   std::span<const RopeRows> sequences, const TensorView& dx) {
  turn_rows(context, dout, table, sequences, dx, Turn::back);
}

}  // namespace memlong::ops
