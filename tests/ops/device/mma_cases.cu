// The pieces of ops/cuda that no op tests alone: loads for tensor cores, their products,
// asynchronous copies. Built by nvcc for a device, and as C++ for the emulated one.
#include "ops/cuda/launch.h"
#include "ops/cuda/mma.cuh"
#include "ops/device/op_run.h"

namespace memlong::ops::device_test {
namespace {

constexpr int kSize = 16;
constexpr int kStride = kSize + 8;  // rows of a load in different banks

struct Tiles {
  bf16 a[kSize * kStride];
  bf16 b[kSize * kStride];
};

__device__ void store(float* to, const device::FragmentC& left, const device::FragmentC& right) {
  for (int i = 0; i < 4; ++i) {
    const int at = device::FragmentC::row(i) * kSize + device::FragmentC::column(i);
    to[at] = left.v[i];
    to[at + 8] = right.v[i];
  }
}

/// first = A B and second = bf16(first) B, for one warp.
template <bool kTransposed>
__global__ void multiply_tiles(const bf16* a, const bf16* b, float* first, float* second) {
  Tiles& tiles = device::block_shared<Tiles>();
  const int row = device::lane_index() / 2;
  const int column = device::lane_index() % 2 * 8;
  device::copy_async_16(tiles.a + row * kStride + column, a + row * kSize + column, true);
  device::copy_async_commit();
  for (int i = 0; i < 8; i += 4) {
    device::copy_async_8(tiles.b + row * kStride + column + i, b + row * kSize + column + i, true);
  }
  device::copy_async_commit();
  device::copy_async_wait<1>();
  __syncwarp();
  device::FragmentA left;
  device::FragmentB right[2];
  left =
      kTransposed ? device::load_a_transposed(tiles.a, kStride) : device::load_a(tiles.a, kStride);
  device::copy_async_wait<0>();
  __syncwarp();
  if (kTransposed) {
    device::load_b_pair_transposed(tiles.b, kStride, right[0], right[1]);
  } else {
    device::load_b_pair(tiles.b, kStride, right[0], right[1]);
  }
  device::FragmentC sums[2];
  for (int i = 0; i < 2; ++i) device::multiply_add(sums[i], left, right[i]);
  store(first, sums[0], sums[1]);
  const device::FragmentA again = device::as_operand(sums[0], sums[1]);
  device::FragmentC products[2];
  for (int i = 0; i < 2; ++i) device::multiply_add(products[i], again, right[i]);
  store(second, products[0], products[1]);
}

/// The same by loops; a and b hold floats.
void multiply_on_cpu(bool transposed, const float* a, const float* b, float* first, float* second) {
  const auto product = [&](const auto& left, float* out) {
    for (int i = 0; i < kSize; ++i) {
      for (int j = 0; j < kSize; ++j) {
        float sum = 0.0F;
        for (int k = 0; k < kSize; ++k) {
          sum += left(i, k) * (transposed ? b[k * kSize + j] : b[j * kSize + k]);
        }
        out[i * kSize + j] = sum;
      }
    }
  };
  product([&](int i, int k) { return transposed ? a[k * kSize + i] : a[i * kSize + k]; }, first);
  product([&](int i, int k) { return static_cast<float>(bf16(first[i * kSize + k])); }, second);
}

template <bool kTransposed>
void tiles(OpRun& run) {
  const Tensor a = run.random({kSize, kSize}, DType::bf16, 1);
  const Tensor b = run.random({kSize, kSize}, DType::bf16, 2);
  const Tensor first = run.empty({kSize, kSize}, DType::f32);
  const Tensor second = run.empty({kSize, kSize}, DType::f32);
  if (run.context().device() == Device::cpu) {
    multiply_on_cpu(kTransposed, a.data<float>(), b.data<float>(), first.data<float>(),
                    second.data<float>());
  } else {
    launch(run.context(), "multiply_tiles", {1, device::kWarp}, multiply_tiles<kTransposed>,
           a.data<bf16>(), b.data<bf16>(), first.data<float>(), second.data<float>());
  }
  run.result("first", first, 1e-5);    // products of bf16 are exact in f32
  run.result("second", second, 1e-3);  // a sum may round to the other neighbour
}

}  // namespace

INSTANTIATE_TEST_SUITE_P(Mma, DeviceOp,
                         testing::Values(OpCase{"rows", tiles<false>},
                                         OpCase{"transposed", tiles<true>}),
                         case_name);

}  // namespace memlong::ops::device_test
