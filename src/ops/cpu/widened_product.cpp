#include "ops/cpu/widened_product.h"

#include <algorithm>

#include "ops/copy.h"
#include "ops/cpu/onednn.h"

namespace memlong::ops::cpu {
namespace {

using dnnl::memory;

constexpr int64_t kSliceElements = int64_t{1} << 19;
constexpr int64_t kColumns = 32;

TensorView widen(Context& context, const char* name, const TensorView& x) {
  const TensorView wide = context.scratch(name, x.shape(), DType::f32);
  copy(context, x, wide);
  return wide;
}

}  // namespace

int64_t widened_columns(int64_t depth) {
  return std::max(kSliceElements / std::max<int64_t>(depth, 1) / kColumns, int64_t{1}) * kColumns;
}

void multiply_slice(Context& context, const WidenedSlice& slice) {
  const TensorView& part = slice.out;
  const int64_t stride = slice.weight.stride(0);
  const memory::desc layout({slice.x.dim(1), part.dim(1)}, memory::data_type::f32,
                            slice.rows ? memory::dims{stride, 1} : memory::dims{1, stride});
  const TensorView out =
      part.dtype() == DType::f32 ? part : context.scratch("widened out", part.shape(), DType::f32);
  if (slice.accumulate && out.raw() != part.raw()) copy(context, part, out);
  run_product(context, {.x = slice.x,
                        .form = slice.rows ? WeightForm::rows : WeightForm::columns,
                        .layout = &layout,
                        .weight = slice.weight.raw(),
                        .out = out,
                        .bias = slice.bias,
                        .accumulate = slice.accumulate});
  if (out.raw() != part.raw()) copy(context, out, part);
}

void widened_product(Context& context, const WidenedProduct& args) {
  const TensorView x = widen(context, "widened x", args.x);
  const int64_t columns = args.out.dim(1);
  const int64_t step = widened_columns(x.dim(1));
  for (int64_t begin = 0; begin < columns; begin += step) {
    const int64_t end = std::min(columns, begin + step);
    const TensorView weight = args.weight.slice(args.rows ? 1 : 0, begin, end);
    multiply_slice(context, {.x = x,
                             .weight = widen(context, "widened weight", weight),
                             .rows = args.rows,
                             .out = args.out.slice(1, begin, end),
                             .bias = args.bias.raw() == nullptr ? TensorView()
                                                                : args.bias.slice(0, begin, end),
                             .accumulate = args.accumulate});
  }
}

}  // namespace memlong::ops::cpu
