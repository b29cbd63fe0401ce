#include <algorithm>
#include <cmath>

#include <omp.h>

#include "ops/attention_kernels.h"
#include "ops/cpu/attention_keys.h"
#include "ops/cpu/block_gemm.h"
#include "ops/cpu/convert.h"
#include "ops/cpu/vec.h"
#include "ops/dispatch.h"
#include "tensor/parallel.h"

namespace memlong::ops {
namespace {

constexpr int64_t kRows = 64;

struct MassArgs {
  const TensorView& q;
  const TensorView& k;
  const TensorView& lse;
  float scale;
  float* mass;
};

/// Buffers of one thread: keys [kKeyBlock, D], queries [D, kRows], scores [kKeyBlock, kRows].
int64_t buffer_floats(int64_t dim) {
  return cpu::kKeyBlock * dim + dim * kRows + cpu::kKeyBlock * kRows;
}

/// Keys [begin, begin + count) of one kv head against every row of its heads.
template <class T>
void add_group(const MassArgs& args, int64_t group, int64_t begin, int64_t count, float* memory) {
  const int64_t dim = args.q.dim(2);
  const int64_t heads = args.q.dim(1) / args.k.dim(0);
  const int64_t total = args.q.dim(0) * heads;
  float* keys = memory;
  float* queries = keys + cpu::kKeyBlock * dim;
  float* scores = queries + dim * kRows;
  const T* k = args.k.data<T>() + group * args.k.stride(0) + begin * args.k.stride(1);
  for (int64_t i = 0; i < count; ++i) {
    cpu::row_to_f32<T>(k + i * args.k.stride(1), keys + i * dim, dim);
  }
  for (int64_t first = 0; first < total; first += kRows) {
    const int64_t rows = std::min(kRows, total - first);
    float lse[kRows];
    std::fill_n(lse, kRows, INFINITY);  // rows that are missing weigh nothing
    std::fill_n(queries, dim * kRows, 0.0F);
    for (int64_t r = 0; r < rows; ++r) {
      const int64_t t = (first + r) / heads;
      const int64_t h = group * heads + (first + r) % heads;
      const T* q = args.q.data<T>() + t * args.q.stride(0) + h * args.q.stride(1);
      for (int64_t d = 0; d < dim; ++d) queries[d * kRows + r] = cpu::to_float(q[d]) * args.scale;
      lse[r] = args.lse.data<float>()[t * args.lse.stride(0) + h * args.lse.stride(1)];
    }
    cpu::block_gemm({keys, dim, 1}, queries, kRows, dim, scores, kRows, count, kRows, false);
    for (int64_t i = 0; i < count; ++i) {
      cpu::Vec sum{};
      for (int64_t r = 0; r < kRows; r += cpu::kLanes) {
        sum += cpu::exp(cpu::load(scores + i * kRows + r) - cpu::load(lse + r));
      }
      for (int64_t lane = 0; lane < cpu::kLanes; ++lane) args.mass[begin + i] += sum[lane];
    }
  }
}

}  // namespace

template <>
void attention_memory_mass_kernel<Device::cpu>(Context& context, const TensorView& q,
                                               const TensorView& k_mem, const TensorView& lse,
                                               float scale, const TensorView& mass) {
  const int64_t keys = k_mem.dim(1);
  const int64_t blocks = (keys + cpu::kKeyBlock - 1) / cpu::kKeyBlock;
  const int threads =
      blocks < 2 ? 1 : threads_for(context, 0.02 * static_cast<double>(q.elements() * keys));
  const int64_t floats = buffer_floats(q.dim(2));
  float* scratch = context.scratch("attention_mass", {threads, floats}, DType::f32).data<float>();
  const MassArgs args{q, k_mem, lse, scale, mass.data<float>()};
  dispatch_float(q.dtype(), [&](auto type) {
    using T = decltype(type);
    // A thread owns its keys, so the order of the sum is fixed.
#pragma omp parallel for schedule(static) num_threads(threads) if (threads > 1)
    for (int64_t block = 0; block < blocks; ++block) {
      const int64_t begin = block * cpu::kKeyBlock;
      for (int64_t group = 0; group < k_mem.dim(0); ++group) {
        add_group<T>(args, group, begin, std::min(cpu::kKeyBlock, keys - begin),
                     scratch + ::omp_get_thread_num() * floats);
      }
    }
  });
}

}  // namespace memlong::ops
