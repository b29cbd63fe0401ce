#include <algorithm>
#include <bit>
#include <vector>

#include "common/error.h"
#include "ops/cpu/selection.h"
#include "ops/cuda/launch.h"
#include "ops/cuda/order.cuh"
#include "ops/top_k_kernels.h"
#include "tensor/cuda/runtime.h"

namespace memlong::ops {
namespace {

constexpr int kThreads = 256;
/// Candidates of one block, which sorts them and keeps the best. Half of them at most, so that each
/// round has fewer.
constexpr int kBlockKeys = 2048;
constexpr int64_t kMostKept = kBlockKeys / 2;

__device__ uint64_t key_at(const float* x, int64_t i) {
  return device::order_key(x[i], static_cast<uint32_t>(i));
}
__device__ uint64_t key_at(const uint64_t* keys, int64_t i) { return keys[i]; }

/// Largest first: a bitonic network. Every thread of the block calls it, after a barrier.
__device__ void sort_block(uint64_t* keys) {
  for (int run = 2; run <= kBlockKeys; run *= 2) {
    for (int distance = run / 2; distance > 0; distance /= 2) {
      for (int pair = static_cast<int>(threadIdx.x); pair < kBlockKeys / 2; pair += kThreads) {
        const int low = 2 * pair - pair % distance;
        const uint64_t a = keys[low];
        const uint64_t b = keys[low + distance];
        const bool falling = (low & run) == 0;
        if ((a < b) == falling) {
          keys[low] = b;
          keys[low + distance] = a;
        }
      }
      __syncthreads();
    }
  }
}

/// best[block] = the largest `kept` of the block's candidates; 0 where it has fewer.
template <class T>
__global__ void __launch_bounds__(kThreads)
    best_of_blocks(const T* from, int64_t count, uint64_t* best, int kept) {
  struct Candidates {
    uint64_t keys[kBlockKeys];
  };
  uint64_t* keys = device::block_shared<Candidates>().keys;
  const int64_t begin = static_cast<int64_t>(blockIdx.x) * kBlockKeys;
  for (int i = static_cast<int>(threadIdx.x); i < kBlockKeys; i += kThreads) {
    keys[i] = begin + i < count ? key_at(from, begin + i) : 0;
  }
  __syncthreads();
  sort_block(keys);
  best += static_cast<int64_t>(blockIdx.x) * kept;
  for (int i = static_cast<int>(threadIdx.x); i < kept; i += kThreads) best[i] = keys[i];
}

/// The largest k <= kMostKept of x, largest first: candidates of blocks, then of those, until one
/// block is left. Returns where they are, on the device.
const uint64_t* best_keys(Context& context, const TensorView& x, int64_t k) {
  const int64_t count = x.dim(0);
  const unsigned blocks = blocks_for(count, kBlockKeys);
  const auto kept = static_cast<int>(k);
  const auto scratch = [&](const char* name, int64_t keys) {
    return reinterpret_cast<uint64_t*>(context.scratch(name, {keys}, DType::i64).data<int64_t>());
  };
  uint64_t* best = scratch("top_k best", blocks * k);
  launch(context, "top_k", {blocks, kThreads}, best_of_blocks<float>, x.data<float>(), count, best,
         kept);
  int64_t left = blocks * k;
  uint64_t* next = left > k ? scratch("top_k next", blocks_for(left, kBlockKeys) * k) : nullptr;
  while (left > k) {
    const unsigned groups = blocks_for(left, kBlockKeys);
    launch(context, "top_k", {groups, kThreads}, best_of_blocks<uint64_t>, best, left, next, kept);
    std::swap(best, next);
    left = groups * k;
  }
  return best;
}

}  // namespace

template <>
std::vector<Scored> top_k_kernel<Device::cuda>(Context& context, const TensorView& x, int64_t k) {
  MEMLONG_CHECK(x.dim(0) < int64_t{UINT32_MAX}, "top_k of more than 2^32 - 2 elements");
  const auto wanted = static_cast<size_t>(std::min(k, x.dim(0)));
  if (k > kMostKept) {  // most of the row: the host sorts it faster than it is asked for
    std::vector<float> row(static_cast<size_t>(x.dim(0)));
    cuda::copy_bytes(context, row.data(), x.raw(), x.bytes());
    context.synchronize();
    return cpu::select_top(row, k);
  }
  std::vector<uint64_t> keys(wanted);
  cuda::copy_bytes(context, keys.data(), best_keys(context, x, k), wanted * sizeof(uint64_t));
  context.synchronize();
  std::vector<Scored> best;
  best.reserve(wanted);
  for (const uint64_t key : keys) {
    best.push_back(
        {device::index_of_key(key), std::bit_cast<float>(device::value_bits_of_key(key))});
  }
  return best;
}

}  // namespace memlong::ops
