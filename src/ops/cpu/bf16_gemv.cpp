#include "ops/cpu/bf16_gemv.h"

#include <algorithm>
#include <cstring>

#include "common/error.h"
#include "ops/cpu/vec.h"
#include "ops/dispatch.h"
#include "tensor/parallel.h"

namespace memlong::ops::cpu {
namespace {

#if defined(__AVX512BF16__)

/// Of a word of weights on one thread, from cache.
constexpr double kWordNanoseconds = 0.06;

/// So far ahead weights are asked for: hardware looks ahead within a page only.
constexpr int64_t kAheadWords = 512;

/// Six or eight sums at once, so that additions do not wait for each other.
constexpr int steps_of(int vectors) { return vectors == 1 ? 8 : vectors == 2 ? 4 : 2; }

/// sums [16 * V] of one block.
template <int V>
void dot_block(const bf16* x, const uint32_t* weights, int64_t pairs, Vec (&sums)[V]) {
  constexpr int kSteps = steps_of(V);
  __m512 partial[kSteps][V];
#pragma GCC unroll 8
  for (int s = 0; s < kSteps; ++s) {
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) partial[s][v] = _mm512_setzero_ps();
  }
  for (int64_t pair = 0; pair < pairs; pair += kSteps) {
#pragma GCC unroll 8
    for (int s = 0; s < kSteps; ++s) {
      int two = 0;
      std::memcpy(&two, x + 2 * (pair + s), sizeof(two));
      const auto left = bits_as<__m512bh>(_mm512_set1_epi32(two));
      const uint32_t* row = weights + (pair + s) * V * kLanes;
#pragma GCC unroll 4
      for (int v = 0; v < V; ++v) {
        _mm_prefetch(reinterpret_cast<const char*>(row + v * kLanes + kAheadWords), _MM_HINT_T0);
        const auto right = bits_as<__m512bh>(_mm512_loadu_si512(row + v * kLanes));
        partial[s][v] = _mm512_dpbf16_ps(partial[s][v], left, right);
      }
    }
  }
  for (int v = 0; v < V; ++v) {
    Vec sum = bits_as<Vec>(partial[0][v]);
    for (int s = 1; s < kSteps; ++s) sum += bits_as<Vec>(partial[s][v]);
    sums[v] = sum;
  }
}

#else

constexpr double kWordNanoseconds = 0.0;

template <int V>
void dot_block(const bf16* /*x*/, const uint32_t* /*weights*/, int64_t /*pairs*/,
               Vec (&/*sums*/)[V]) {
  fail(ErrorKind::internal, "bf16 product in a build without AVX-512 BF16");
}

#endif

template <int V, class T>
void run_block(const Bf16Blocks& blocks, const Bf16Gemv& g, const bf16* x, int64_t block) {
  Vec sums[V];
  dot_block<V>(x, g.weights + block * blocks.stride, blocks.pairs, sums);
  const int64_t columns = g.out.dim(1);
  T* out = g.out.data<T>();
  for (int v = 0; v < V; ++v) {
    const int64_t n = block * blocks.width + v * kLanes;
    const int64_t left = columns - n;
    if (left <= 0) return;
    if (g.bias != nullptr) sums[v] += load_part(g.bias + n, left);
    if (g.accumulate) sums[v] += load_part(out + n, left);
    store_part(out + n, sums[v], left);
  }
}

template <int V>
void run(Context& context, const Bf16Blocks& blocks, const Bf16Gemv& g, const bf16* x) {
  const double nanoseconds = kWordNanoseconds * static_cast<double>(blocks.stride);
  dispatch_float(g.out.dtype(), [&](auto type) {
    parallel_for(context, blocks.count, nanoseconds,
                 [&](int64_t block) { run_block<V, decltype(type)>(blocks, g, x, block); });
  });
}

}  // namespace

bool bf16_gemv_available() {
#if defined(__AVX512BF16__)
  return true;
#else
  return false;
#endif
}

std::optional<Bf16Blocks> bf16_blocks(const dnnl::memory::desc& layout) {
  constexpr int kWord = 2;
  const dnnl_memory_desc_t& desc = layout.data;
  const auto& blocking = desc.format_desc.blocking;
  const bool plain = desc.ndims == 2 && desc.data_type == dnnl_bf16 && desc.offset0 == 0 &&
                     desc.format_kind == dnnl_blocked && desc.extra.flags == 0;
  if (!plain || blocking.inner_nblks != 3) return std::nullopt;
  const bool words = blocking.inner_idxs[0] == 0 && blocking.inner_idxs[1] == 1 &&
                     blocking.inner_idxs[2] == 0 && blocking.inner_blks[2] == kWord;
  const int64_t width = blocking.inner_blks[1];
  const int64_t depth = blocking.inner_blks[0];  // pairs
  const bool fits = width % kLanes == 0 && width <= 4 * kLanes && depth % 8 == 0;
  if (!words || !fits || blocking.strides[0] != kWord * depth * width) return std::nullopt;
  return Bf16Blocks{.width = width,
                    .count = desc.padded_dims[1] / width,
                    .pairs = desc.padded_dims[0] / kWord,
                    .stride = blocking.strides[1] / kWord};
}

void bf16_gemv(Context& context, const Bf16Blocks& blocks, const Bf16Gemv& g) {
  const bf16* x = g.x;
  if (g.k != 2 * blocks.pairs) {
    const TensorView padded = context.scratch("gemv x", {2 * blocks.pairs}, DType::bf16);
    std::fill_n(padded.data<bf16>(), padded.elements(), bf16{});
    std::copy_n(g.x, g.k, padded.data<bf16>());
    x = padded.data<bf16>();
  }
  switch (blocks.width / kLanes) {
    case 1:
      return run<1>(context, blocks, g, x);
    case 2:
      return run<2>(context, blocks, g, x);
    case 3:
      return run<3>(context, blocks, g, x);
    default:
      return run<4>(context, blocks, g, x);
  }
}

}  // namespace memlong::ops::cpu
