#include "ops/cpu/transpose_rows.h"

#include <algorithm>

#include "ops/cpu/transpose.h"
#include "ops/cpu/vec.h"
#include "ops/dispatch.h"
#include "tensor/parallel.h"

namespace memlong::ops::cpu {
namespace {

/// A task turns kTaskRows rows of kTaskColumns columns, a whole line of x at a time.
constexpr int64_t kTaskRows = 256;
constexpr int64_t kTaskColumns = 64;

/// A row of kLanes words of out holds so many rows of x.
template <class T>
constexpr int64_t kRows = static_cast<int64_t>(kLanes * sizeof(float) / sizeof(T));

VecWord load_words(const float* x, int64_t /*stride*/, int64_t /*rows*/, int64_t columns) {
  return bits_as<VecWord>(load_part(x, columns));
}
/// Two rows, the second in the upper halves.
VecWord load_words(const bf16* x, int64_t stride, int64_t rows, int64_t columns) {
  const VecWord low = load_halves(x, columns);
  return rows < 2 ? low : low | (load_halves(x + stride, columns) << 16);
}

/// x [rows, columns] with at most kRows<T> rows and kLanes columns.
template <class T>
void turn(const T* x, int64_t stride, int64_t rows, int64_t columns, T* out, int64_t out_stride) {
  constexpr int64_t kStep = kRows<T> / kLanes;
  VecWord words[kLanes] = {};
  for (int64_t i = 0; i < kLanes && i * kStep < rows; ++i) {
    words[i] = load_words(x + i * kStep * stride, stride, rows - i * kStep, columns);
  }
  transpose(words);
  if (rows == kRows<T>) {
    for (int64_t n = 0; n < columns; ++n) {
      std::memcpy(static_cast<void*>(out + n * out_stride), &words[n], sizeof(VecWord));
    }
    return;
  }
  for (int64_t n = 0; n < columns; ++n) {
    std::memcpy(static_cast<void*>(out + n * out_stride), &words[n],
                static_cast<size_t>(rows) * sizeof(T));
  }
}

template <class T>
void turn_task(const TensorView& x, const TensorView& out, int64_t row, int64_t column) {
  const int64_t rows = std::min(row + kTaskRows, x.dim(0));
  const int64_t columns = std::min(column + kTaskColumns, x.dim(1));
  for (int64_t t = row; t < rows; t += kRows<T>) {
    for (int64_t n = column; n < columns; n += kLanes) {
      turn(x.data<T>() + t * x.stride(0) + n, x.stride(0), std::min(kRows<T>, rows - t),
           std::min(kLanes, columns - n), out.data<T>() + n * out.stride(0) + t, out.stride(0));
    }
  }
}

}  // namespace

void transpose_rows(const Context& context, const TensorView& x, const TensorView& out) {
  if (x.empty()) return;
  const int64_t down = (x.dim(0) + kTaskRows - 1) / kTaskRows;
  const int64_t across = (x.dim(1) + kTaskColumns - 1) / kTaskColumns;
  const double nanoseconds =
      0.3 * static_cast<double>(x.elements()) / static_cast<double>(down * across);
  dispatch_float(x.dtype(), [&](auto type) {
    parallel_for(context, down * across, nanoseconds, [&](int64_t task) {
      turn_task<decltype(type)>(x, out, task / across * kTaskRows, task % across * kTaskColumns);
    });
  });
}

}  // namespace memlong::ops::cpu
