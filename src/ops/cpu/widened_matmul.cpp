#include "ops/cpu/widened_matmul.h"

#include <algorithm>
#include <cstring>

#include "common/error.h"
#include "ops/cpu/convert.h"
#include "ops/cpu/widened_product.h"
#include "ops/dispatch.h"
#include "tensor/parallel.h"

namespace memlong::ops::cpu {
namespace {

/// Eight at a time: what these processors have registers for.
constexpr int64_t kLanes = 8;
using Floats = float __attribute__((vector_size(32)));
using Words = uint32_t __attribute__((vector_size(32)));
constexpr int kVectors = kWidenedBlock / kLanes;

/// Of a word of weights and a row, on one thread.
constexpr double kWordNanoseconds = 0.1;

template <class To, class From>
To bits_as(const From& from) {
  return __builtin_bit_cast(To, from);
}
Floats even_of(Words pair) { return bits_as<Floats>(pair << 16); }
Floats odd_of(Words pair) { return bits_as<Floats>(pair & 0xFFFF0000U); }
Words load(const uint32_t* from) {
  Words words;
  std::memcpy(&words, from, sizeof(words));
  return words;
}

/// x in f32, with zeros where the blocks are padded.
TensorView widen_rows(Context& context, const TensorView& x, int64_t depth) {
  const TensorView wide = context.scratch("widened x", {x.dim(0), depth}, DType::f32);
  const int64_t count = x.dim(1);
  parallel_for(context, x.dim(0), 0.3 * static_cast<double>(count), [&](int64_t t) {
    float* row = wide.data<float>() + t * depth;
    row_to_f32<bf16>(x.data<bf16>() + t * x.stride(0), row, count);
    std::fill(row + count, row + depth, 0.0F);
  });
  return wide;
}

/// sums [R, width] of a block and R rows of x, `stride` apart; of three rows they just fit into
/// sixteen registers.
template <int R>
void dot_block(const float* x, int64_t stride, const uint32_t* weights, int64_t pairs,
               float (&sums)[R][kWidenedBlock]) {
  Floats partial[R][kVectors] = {};
  for (int64_t pair = 0; pair < pairs; ++pair) {
    const uint32_t* row = weights + pair * kWidenedBlock;
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) {
      const Words words = load(row + v * kLanes);
      const Floats even = even_of(words);
      const Floats odd = odd_of(words);
#pragma GCC unroll 3
      for (int r = 0; r < R; ++r) {
        partial[r][v] += x[r * stride + 2 * pair] * even;
        partial[r][v] += x[r * stride + 2 * pair + 1] * odd;
      }
    }
  }
  std::memcpy(&sums, &partial, sizeof(sums));
}

/// Rows [first, first + R) of out, block by block.
template <int R, class T>
void few_rows(Context& context, const Bf16Blocks& blocks, const WidenedMatmul& args,
              const TensorView& x, int64_t first) {
  const float* bias = args.bias.raw() == nullptr ? nullptr : args.bias.data<float>();
  const int64_t columns = args.out.dim(1);
  const int64_t stride = args.out.stride(0);
  const int64_t depth = x.dim(1);
  const double nanoseconds = kWordNanoseconds * static_cast<double>(R * blocks.stride);
  parallel_for(context, blocks.count, nanoseconds, [&](int64_t block) {
    float sums[R][kWidenedBlock];
    dot_block<R>(x.data<float>() + first * depth, depth, args.weights + block * blocks.stride,
                 blocks.pairs, sums);
    const int64_t begin = block * kWidenedBlock;
    const int64_t count = std::min(kWidenedBlock, columns - begin);
    for (int r = 0; r < R; ++r) {
      T* out = args.out.data<T>() + (first + r) * stride + begin;
      for (int64_t n = 0; n < count; ++n) {
        float sum = sums[r][n] + (bias == nullptr ? 0.0F : bias[begin + n]);
        if (args.accumulate) sum += to_float(out[n]);
        store_float(out + n, sum);
      }
    }
  });
}

template <class T>
void few_rows(Context& context, const Bf16Blocks& blocks, const WidenedMatmul& args) {
  const TensorView x = widen_rows(context, args.x, 2 * blocks.pairs);
  int64_t row = 0;
  for (; row + 3 <= x.dim(0); row += 3) few_rows<3, T>(context, blocks, args, x, row);
  if (row + 2 <= x.dim(0)) return few_rows<2, T>(context, blocks, args, x, row);
  if (row < x.dim(0)) few_rows<1, T>(context, blocks, args, x, row);
}

/// Rows [0, depth) of blocks [begin, end), as [depth, width * (end - begin)].
TensorView widen_blocks(Context& context, const Bf16Blocks& blocks, const uint32_t* weights,
                        int64_t depth, int64_t begin, int64_t end) {
  const int64_t stride = (end - begin) * kWidenedBlock;
  const TensorView wide = context.scratch("widened weight", {depth + 1, stride}, DType::f32);
  const double nanoseconds = 2.0 * kWordNanoseconds * static_cast<double>(blocks.stride);
  parallel_for(context, end - begin, nanoseconds, [&](int64_t block) {
    const uint32_t* from = weights + (begin + block) * blocks.stride;
    float* to = wide.data<float>() + block * kWidenedBlock;
    for (int64_t row = 0; row < depth; row += 2) {
      for (int v = 0; v < kVectors; ++v) {
        const Words words = load(from + row / 2 * kWidenedBlock + v * kLanes);
        const Floats pair[2] = {even_of(words), odd_of(words)};
        std::memcpy(to + row * stride + v * kLanes, &pair[0], sizeof(Floats));
        std::memcpy(to + (row + 1) * stride + v * kLanes, &pair[1], sizeof(Floats));
      }
    }
  });
  return wide.slice(0, 0, depth);
}

}  // namespace

void widened_matmul(Context& context, const Bf16Blocks& blocks, const WidenedMatmul& args) {
  MEMLONG_CHECK(blocks.width == kWidenedBlock, "blocks of another width");
  if (args.x.dim(0) <= kFewRows) {
    return dispatch_float(args.out.dtype(),
                          [&](auto type) { few_rows<decltype(type)>(context, blocks, args); });
  }
  const int64_t depth = args.x.dim(1);
  const int64_t columns = args.out.dim(1);
  const TensorView x = widen_rows(context, args.x, depth);
  const int64_t step = widened_columns(depth) / kWidenedBlock;
  for (int64_t block = 0; block < blocks.count; block += step) {
    const int64_t last = std::min(blocks.count, block + step);
    const int64_t begin = block * kWidenedBlock;
    const int64_t end = std::min(columns, last * kWidenedBlock);
    if (begin >= end) break;
    multiply_slice(
        context,
        {.x = x,
         .weight = widen_blocks(context, blocks, args.weights, depth, block, last),
         .out = args.out.slice(1, begin, end),
         .bias = args.bias.raw() == nullptr ? TensorView() : args.bias.slice(0, begin, end),
         .accumulate = args.accumulate});
  }
}

}  // namespace memlong::ops::cpu
