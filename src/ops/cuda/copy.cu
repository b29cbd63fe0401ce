#include <algorithm>

#include "ops/copy_kernels.h"
#include "ops/cpu/any_dtype.h"
#include "ops/cuda/device.cuh"
#include "ops/cuda/row_places.cuh"
#include "ops/cuda/width.h"
#include "tensor/cuda/runtime.h"

namespace memlong::ops {
namespace {

constexpr int kThreads = 256;

/// A thread copies N elements of a row at a time.
template <int N, class From, class To>
__global__ void __launch_bounds__(kThreads)
    copy_rows(const From* x, const device::RowPlaces from, To* out, const device::RowPlaces to,
              int64_t pieces, int64_t pieces_of_row) {
  const int64_t step = static_cast<int64_t>(gridDim.x) * kThreads;
  for (int64_t p = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x; p < pieces;
       p += step) {
    const int64_t row = p / pieces_of_row;
    const int64_t column = p % pieces_of_row * N;
    float value[N];
    device::load_floats(x + from.offset(row) + column, value);
    device::store_floats(out + to.offset(row) + column, value);
  }
}

/// Up to here a kernel copies what is contiguous: it may start while the kernel before it runs,
/// which the device's own copies do not. Those are faster where there is much.
constexpr size_t kSmallBytes = size_t{64} << 10;

template <class Word>
__global__ void __launch_bounds__(kThreads) copy_words(const Word* x, Word* out, int64_t count) {
  device::wait_for_earlier();
  const int64_t i = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  if (i < count) device::store_word(out + i, device::load_word<Word>(x + i));
}

/// Contiguous, both on the device.
void copy_flat(Context& context, void* out, const void* x, size_t bytes) {
  if (bytes > kSmallBytes) return cuda::copy_bytes(context, out, x, bytes);
  const auto run = [&](auto zero) {
    using Word = decltype(zero);
    const auto count = static_cast<int64_t>(bytes / sizeof(Word));
    launch_early(context, "copy of words", {blocks_for(count, kThreads), kThreads},
                 copy_words<Word>, static_cast<const Word*>(x), static_cast<Word*>(out), count);
  };
  const uintptr_t all = reinterpret_cast<uintptr_t>(out) | reinterpret_cast<uintptr_t>(x) | bytes;
  if (all % sizeof(uint4) == 0) {
    run(uint4{});
  } else if (all % sizeof(uint32_t) == 0) {
    run(uint32_t{});
  } else if (all % sizeof(uint16_t) == 0) {
    run(uint16_t{});
  } else {
    run(uint8_t{});
  }
}

/// Both on the device.
void copy_on_device(Context& context, const TensorView& x, const TensorView& out) {
  const bool flat = x.contiguous() && out.contiguous();
  if (flat && x.dtype() == out.dtype()) {
    return copy_flat(context, out.raw(), x.raw(), x.bytes());
  }
  const TensorView source = flat ? x.reshape({x.elements()}) : x;
  const TensorView target = flat ? out.reshape({x.elements()}) : out;
  const int64_t columns = source.dim(source.rank() - 1);
  cpu::dispatch_any_float(x.dtype(), [&](auto from) {
    cpu::dispatch_any_float(out.dtype(), [&](auto to) {
      using From = decltype(from);
      using To = decltype(to);
      const auto run = [&](auto width) {
        constexpr int kWidth = decltype(width)::value;
        const int64_t pieces = source.elements() / kWidth;
        constexpr int64_t kMostBlocks = 1 << 16;
        const int64_t blocks = std::min(kMostBlocks, (pieces + kThreads - 1) / kThreads);
        launch(context, "copy", {static_cast<unsigned>(blocks), kThreads},
               copy_rows<kWidth, From, To>, source.data<From>(), device::RowPlaces(source),
               target.data<To>(), device::RowPlaces(target), pieces, columns / kWidth);
      };
      dispatch_width(columns, run, source, target);
    });
  });
}

/// Each on its own side of the bus.
void copy_on_side(Context& context, const TensorView& x, const TensorView& out) {
  if (x.device() == Device::cuda) return copy_on_device(context, x, out);
  Context host({.threads = context.threads()});
  copy_kernel<Device::cpu>(host, x, out);
}

/// Over the bus go contiguous elements of x's dtype.
void copy_over(Context& context, const TensorView& x, const TensorView& out) {
  Tensor packed;
  TensorView source = x;
  if (!x.contiguous()) {
    packed = Tensor(x.shape(), x.dtype(), x.device());
    copy_on_side(context, x, packed);
    source = packed;
  }
  Tensor arrived;
  TensorView target = out;
  const bool direct = out.contiguous() && out.dtype() == x.dtype();
  if (!direct) {
    arrived = Tensor(x.shape(), x.dtype(), out.device());
    target = arrived;
  }
  cuda::copy_bytes(context, target.raw(), source.raw(), source.bytes());
  // The host must see what has come, and may free what has gone.
  if (out.device() == Device::cpu || !packed.empty()) context.synchronize();
  if (!direct) copy_on_side(context, target, out);
}

}  // namespace

template <>
void copy_kernel<Device::cuda>(Context& context, const TensorView& x, const TensorView& out) {
  context.activate();
  if (x.device() == out.device()) {
    copy_on_device(context, x, out);
  } else {
    copy_over(context, x, out);
  }
}

}  // namespace memlong::ops
