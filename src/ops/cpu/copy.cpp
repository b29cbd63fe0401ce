#include <cstddef>

#include "ops/copy_kernels.h"
#include "ops/cpu/any_dtype.h"
#include "ops/cpu/convert.h"
#include "tensor/parallel.h"

namespace memlong::ops {
namespace {

/// Elements before row `row` of a view whose last dimension is a row.
int64_t row_offset(const TensorView& x, int64_t row) {
  int64_t offset = 0;
  for (int d = x.rank() - 2; d >= 0; --d) {
    offset += row % x.dim(d) * x.stride(d);
    row /= x.dim(d);
  }
  return offset;
}

template <class Src, class Dst>
void copy_rows(Context& context, const TensorView& x, const TensorView& out) {
  const auto* from = static_cast<const std::byte*>(x.raw());
  Dst* to = out.data<Dst>();
  const bool flat = x.contiguous() && out.contiguous();
  constexpr int64_t kPiece = 4096;
  const int64_t length = flat ? kPiece : x.dim(x.rank() - 1);
  const int64_t count = flat ? (x.elements() + kPiece - 1) / kPiece : x.elements() / length;
  parallel_for(context, count, 0.3 * static_cast<double>(length), [&](int64_t row) {
    const int64_t source = flat ? row * kPiece : row_offset(x, row);
    const int64_t target = flat ? row * kPiece : row_offset(out, row);
    const int64_t left = flat ? x.elements() - row * kPiece : length;
    cpu::convert_row<Src, Dst>(from + source * static_cast<int64_t>(sizeof(Src)), to + target,
                               left < length ? left : length);
  });
}

}  // namespace

template <>
void copy_kernel<Device::cpu>(Context& context, const TensorView& x, const TensorView& out) {
  cpu::dispatch_any_float(x.dtype(), [&](auto from) {
    cpu::dispatch_any_float(
        out.dtype(), [&](auto to) { copy_rows<decltype(from), decltype(to)>(context, x, out); });
  });
}

template <>
void copy_pairs_kernel<Device::cpu>(Context& context, std::span<const CopyPair> pairs) {
  for (const CopyPair& pair : pairs) copy_kernel<Device::cpu>(context, pair.x, pair.out);
}

}  // namespace memlong::ops
