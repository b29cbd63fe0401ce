// Nothing is computed twice and weights are read once, so the rate of memory is the floor. To come
// near it enough loads must be under way at any time (bytes = bandwidth x latency, some 20 KB on
// each multiprocessor of an H100), from the first moment on: a warp asks the L2 cache for the
// beginning of its rows while the kernel before still runs.
#include <algorithm>

#include "ops/cuda/device.cuh"
#include "ops/cuda/launch.h"
#include "ops/cuda/row_product.h"
#include "ops/dispatch.h"

namespace memlong::ops {
namespace {

constexpr int kWarps = 4;
constexpr int kBlocks = 4;  // on a multiprocessor at least: lets the compiler keep all loads open
constexpr int kRows = 2;    // of the weights, for a warp
constexpr int kSteps = 4;   // of K, whose loads are under way together
constexpr int kEach = 8;    // elements of a load
constexpr int kStep = device::kWarp * kEach;
constexpr int kFetched = 8;  // steps that are asked for ahead
constexpr int kSector = 16;  // elements of 32 bytes

struct Operands {
  const bf16* x;
  const bf16* weight;
  const float* bias;  ///< or null
  int rows, columns;  ///< of the weights
};

__device__ __forceinline__ float dot(const uint4& a, const uint4& b, float sum) {
  union {
    uint4 word;
    bf16 elements[kEach];
  } left = {a}, right = {b};
#pragma unroll
  for (int i = 0; i < kEach; ++i) {
    sum += device::to_float(left.elements[i]) * device::to_float(right.elements[i]);
  }
  return sum;
}

/// Adds the products of kSteps steps of a lane. All loads come first, so that they are under way
/// together. `left`: columns from the lane's first one on; all kSteps are there unless kLast.
template <bool kLast>
__device__ __forceinline__ void add_steps(const bf16* x, const bf16* const (&weight)[kRows],
                                          int left, float (&sums)[kRows]) {
  uint4 factors[kSteps];
  uint4 weights[kSteps][kRows];
#pragma unroll
  for (int s = 0; s < kSteps; ++s) {
    const bool there = !kLast || s * kStep < left;
#pragma unroll
    for (int r = 0; r < kRows; ++r) {
      weights[s][r] = there ? device::load_once(weight[r] + s * kStep) : uint4{};
    }
    factors[s] = there ? device::load_word<uint4>(x + s * kStep) : uint4{};
  }
#pragma unroll
  for (int s = 0; s < kSteps; ++s) {
#pragma unroll
    for (int r = 0; r < kRows; ++r) sums[r] = dot(weights[s][r], factors[s], sums[r]);
  }
}

/// A warp has kRows rows of the weights, its lanes every 32nd group of 8 columns.
template <class Out>
__global__ void __launch_bounds__(kWarps* device::kWarp, kBlocks)
    multiply(const Operands product, Out* out, bool accumulate) {
  const int first = (static_cast<int>(blockIdx.x) * kWarps + device::warp_index()) * kRows;
  const bf16* weight[kRows];
#pragma unroll
  for (int r = 0; r < kRows; ++r) {
    const int row = min(first + r, product.rows - 1);
    weight[r] = product.weight + static_cast<int64_t>(row) * product.columns;
    const int end = min(product.columns, kFetched * kStep);
    for (int k = device::lane_index() * kSector; k < end; k += device::kWarp * kSector) {
      device::fetch_ahead(weight[r] + k);
    }
    weight[r] += device::lane_index() * kEach;
  }
  device::wait_for_earlier();
  if (first >= product.rows) return;
  const bf16* x = product.x + device::lane_index() * kEach;
  float sums[kRows] = {};
  int left = product.columns;
#pragma unroll 1
  for (; left >= kSteps * kStep; left -= kSteps * kStep) {
    add_steps<false>(x, weight, left, sums);
    x += kSteps * kStep;
#pragma unroll
    for (int r = 0; r < kRows; ++r) weight[r] += kSteps * kStep;
  }
  if (left > 0) add_steps<true>(x, weight, left - device::lane_index() * kEach, sums);
#pragma unroll
  for (int r = 0; r < kRows; ++r) {
    float sum = device::warp_reduce<device::Sum>(sums[r]);
    const int row = first + r;
    if (device::lane_index() != 0 || row >= product.rows) continue;
    if (product.bias != nullptr) sum += product.bias[row];
    if (accumulate) sum += device::to_float(out[row]);
    out[row] = device::from_float<Out>(sum);
  }
}

}  // namespace

bool is_row_product(const RowProduct& product) {
  const bool bf16_only = product.x.dtype() == DType::bf16 && product.weight.dtype() == DType::bf16;
  return bf16_only && product.x.dim(0) == 1 && product.weight.dim(1) % kEach == 0 &&
         rows_aligned(product.x, 16) && rows_aligned(product.weight, 16);
}

void row_product(Context& context, const RowProduct& product) {
  const Operands operands = {product.x.data<bf16>(), product.weight.data<bf16>(),
                             product.bias.raw() == nullptr ? nullptr : product.bias.data<float>(),
                             static_cast<int>(product.weight.dim(0)),
                             static_cast<int>(product.weight.dim(1))};
  const LaunchShape shape = {blocks_for(operands.rows, kWarps * kRows), kWarps * device::kWarp};
  dispatch_float(product.out.dtype(), [&](auto type) {
    using Out = decltype(type);
    launch_early(context, "row_product", shape, multiply<Out>, operands, product.out.data<Out>(),
                 product.accumulate);
  });
}

}  // namespace memlong::ops
