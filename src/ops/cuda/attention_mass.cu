#include "ops/attention_kernels.h"
#include "ops/column_sum.h"
#include "ops/cuda/attention_plain.cuh"
#include "ops/cuda/launch.h"
#include "ops/dispatch.h"

namespace memlong::ops {
namespace {

using device::HeadRows;
using device::kChunk;
using device::kChunkStride;
using device::kSide;

constexpr int kKeys = 64;  // of a block
constexpr int kRows = 64;  // at a time
constexpr int kEach = 4;   // of both, for a thread
/// The rows are shared out until there are so many blocks. It depends on shapes alone.
constexpr int64_t kManyBlocks = 256;

template <class T>
struct MassArgs {
  HeadRows<const T> q;
  HeadRows<const T> k;
  HeadRows<const float> lse;
  float* shares;  ///< [shares, G, M]
  int rows;       ///< of a kv head
  int keys;
  int dim;
  bool wide;    ///< four elements of q and of k may be loaded at once
  float scale;  ///< of scores in powers of two
};

/// exp(scale q . k - lse), summed over blocks of rows z, z + gridDim.z, ...: for keys [64 x, ...)
/// of kv head y.
template <int kChunks, class T>
__global__ void __launch_bounds__(device::kPlainThreads) add_mass(const MassArgs<T> args) {
  constexpr int kStride = kChunks * kChunk + 4;
  auto* keys = device::dynamic_shared<float>();
  float* chunk = keys + kKeys * kStride;
  const int group = static_cast<int>(blockIdx.y);
  const int first_key = static_cast<int>(blockIdx.x) * kKeys;
  const int count = min(kKeys, args.keys - first_key);
  for (int c = 0; c < kChunks; ++c) {
    device::load_chunk<kKeys>(keys + c * kChunk, kStride, args.k, group, first_key, count,
                              c * kChunk, args.dim, args.wide);
  }
  float mass[kEach] = {};
  const int step = static_cast<int>(gridDim.z) * kRows;
  for (int first = static_cast<int>(blockIdx.z) * kRows; first < args.rows; first += step) {
    float scores[kEach][kEach] = {};
    for (int c = 0; c < kChunks; ++c) {
      __syncthreads();  // all have done with what lies there
      device::load_chunk<kRows>(chunk, kChunkStride, args.q, group, first,
                                min(kRows, args.rows - first), c * kChunk, args.dim, args.wide);
      __syncthreads();
      device::add_products(keys + c * kChunk, kStride, chunk, kChunkStride, scores);
    }
#pragma unroll
    for (int j = 0; j < kEach; ++j) {
      const int r = first + device::side_x() + j * kSide;
      if (r >= args.rows) continue;
      const float lse = *args.lse.row(group, r) * device::kLog2e;
#pragma unroll
      for (int i = 0; i < kEach; ++i) mass[i] += device::exp2_fast(scores[i][j] * args.scale - lse);
    }
  }
  float* share =
      args.shares + (static_cast<int64_t>(blockIdx.z) * gridDim.y + blockIdx.y) * args.keys;
#pragma unroll
  for (int i = 0; i < kEach; ++i) {
    const float sum = device::warp_reduce<device::Sum, kSide>(mass[i]);
    const int key = device::side_y() + i * kSide;
    if (device::side_x() == 0 && key < count) share[first_key + key] = sum;
  }
}

template <class T>
void run(Context& context, const MassArgs<T>& args, const dim3& grid) {
  device::dispatch_chunks(args.dim, [&](auto chunks) {
    constexpr int kChunks = decltype(chunks)::value;
    constexpr size_t kFloats = kKeys * (kChunks * kChunk + 4) + kRows * kChunkStride;
    launch(context, "attention_memory_mass", {grid, device::kPlainThreads, kFloats * sizeof(float)},
           add_mass<kChunks, T>, args);
  });
}

}  // namespace

template <>
void attention_memory_mass_kernel<Device::cuda>(Context& context, const TensorView& q,
                                                const TensorView& k_mem, const TensorView& lse,
                                                float scale, const TensorView& mass) {
  const int64_t groups = k_mem.dim(0);
  const int64_t keys = k_mem.dim(1);
  const int64_t rows = q.dim(0) * (q.dim(1) / groups);
  const unsigned key_blocks = blocks_for(keys, kKeys);
  const int64_t row_blocks = (rows + kRows - 1) / kRows;
  const int64_t many = std::max<int64_t>(1, kManyBlocks / (key_blocks * groups));
  const int64_t shares = std::min(row_blocks, many);
  const TensorView sums =
      context.scratch("attention_memory_mass", {shares * groups, keys}, DType::f32);
  dispatch_float(q.dtype(), [&](auto type) {
    using T = decltype(type);
    const MassArgs<T> args = {device::query_rows<const T>(q, groups),
                              device::key_rows<const T>(k_mem),
                              device::query_rows<const float>(lse, groups),
                              sums.data<float>(),
                              static_cast<int>(rows),
                              static_cast<int>(keys),
                              static_cast<int>(q.dim(2)),
                              device::common_width(q.dim(2), {&q, &k_mem}) > 1,
                              scale * device::kLog2e};
    run(context, args,
        dim3(key_blocks, static_cast<unsigned>(groups), static_cast<unsigned>(shares)));
  });
  column_sum(context, sums, mass);
}

}  // namespace memlong::ops
