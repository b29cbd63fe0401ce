#include <algorithm>
#include <map>
#include <utility>
#include <vector>

#include "ops/copy_kernels.h"
#include "ops/cpu/any_dtype.h"
#include "ops/cuda/device.cuh"
#include "ops/cuda/row_places.cuh"
#include "ops/cuda/width.h"
#include "tensor/cuda/runtime.h"

namespace memlong::ops {
namespace {

constexpr int kThreads = 256;

/// A pair as the kernel needs it.
struct Piece {
  const void* x;
  void* out;
  device::RowPlaces from, to;
  int64_t columns;
  int64_t elements;
};

/// Blocks with one x share a pair; a thread copies N elements of a row at a time.
template <int N, class From, class To>
__global__ void __launch_bounds__(kThreads) copy_pieces(const Piece* pieces) {
  const Piece piece = pieces[blockIdx.x];
  const auto* x = static_cast<const From*>(piece.x);
  auto* out = static_cast<To*>(piece.out);
  const int64_t step = static_cast<int64_t>(gridDim.y) * kThreads * N;
  for (int64_t i = (static_cast<int64_t>(blockIdx.y) * kThreads + threadIdx.x) * N;
       i < piece.elements; i += step) {
    const int64_t row = i / piece.columns;
    const int64_t column = i - row * piece.columns;
    float value[N];
    device::load_floats(x + piece.from.offset(row) + column, value);
    device::store_floats(out + piece.to.offset(row) + column, value);
  }
}

/// Pairs on the device, all from one dtype to one.
struct SameTypes {
  std::vector<Piece> pieces;
  int64_t largest = 0;  ///< elements
  bool wide = true;     ///< 8 elements at once

  void add(const CopyPair& pair) {
    const int64_t columns = pair.x.dim(pair.x.rank() - 1);
    pieces.push_back({pair.x.raw(), pair.out.raw(), device::RowPlaces(pair.x),
                      device::RowPlaces(pair.out), columns, pair.x.elements()});
    largest = std::max(largest, pair.x.elements());
    wide = wide && columns % 8 == 0 && rows_aligned(pair.x, 16) && rows_aligned(pair.out, 16);
  }
};

template <int N, class From, class To>
void launch_pieces(Context& context, const SameTypes& all, const Piece* pieces) {
  constexpr int64_t kRounds = 4;  // of a thread, where the largest pair is concerned
  constexpr int64_t kMostBlocks = 64;
  const int64_t blocks = (all.largest + kRounds * kThreads * N - 1) / (kRounds * kThreads * N);
  launch(context, "copy of pairs",
         {{static_cast<unsigned>(all.pieces.size()),
           static_cast<unsigned>(std::min(kMostBlocks, blocks))},
          kThreads},
         copy_pieces<N, From, To>, pieces);
}

void run(Context& context, DType from_type, DType to_type, const SameTypes& all) {
  const size_t bytes = all.pieces.size() * sizeof(Piece);
  const TensorView table = context.scratch("copy pairs", {static_cast<int64_t>(bytes)}, DType::u8);
  cuda::copy_bytes(context, table.raw(), all.pieces.data(), bytes);
  const auto* pieces = static_cast<const Piece*>(table.raw());
  cpu::dispatch_any_float(from_type, [&](auto from) {
    cpu::dispatch_any_float(to_type, [&](auto to) {
      using From = decltype(from);
      using To = decltype(to);
      if (all.wide) {
        launch_pieces<8, From, To>(context, all, pieces);
      } else {
        launch_pieces<1, From, To>(context, all, pieces);
      }
    });
  });
}

}  // namespace

template <>
void copy_pairs_kernel<Device::cuda>(Context& context, std::span<const CopyPair> pairs) {
  context.activate();
  std::map<std::pair<DType, DType>, SameTypes> on_device;
  for (const CopyPair& pair : pairs) {
    if (pair.x.device() != Device::cuda || pair.out.device() != Device::cuda) {
      copy_kernel<Device::cuda>(context, pair.x, pair.out);
    } else {
      on_device[{pair.x.dtype(), pair.out.dtype()}].add(pair);
    }
  }
  for (const auto& [types, all] : on_device) run(context, types.first, types.second, all);
}

}  // namespace memlong::ops
