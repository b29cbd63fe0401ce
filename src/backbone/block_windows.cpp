#include "backbone/block_windows.h"

#include <cmath>
#include <vector>

#include "backbone/block_parts.h"
#include "ops/attention.h"
#include "ops/copy.h"

namespace memlong::backbone {
namespace {

void attend(Context& context, const LlamaWeights& weights, int64_t layer,
            std::span<const ops::RopeRows> windows, const TensorView& x) {
  const model::ModelConfig& config = weights.config;
  const BlockWeights& block = weights.blocks[static_cast<size_t>(layer)];
  const int64_t rows = x.dim(0);
  const Projected projected = project_keys_values(context, weights, layer, x);
  // Head by head, as in a cache: attention reads a head's rows in one go.
  const Shape heads{config.kv_heads, rows, config.head_dim};
  const TensorView k = context.scratch("windows.k", heads, weights.dtype);
  const TensorView v = context.scratch("windows.v", heads, weights.dtype);
  ops::rope(context, heads_of(projected.kv, config, 0), weights.rope, windows,
            k.permute({1, 0, 2}));
  ops::copy(context, heads_of(projected.kv, config, 1), v.permute({1, 0, 2}));
  const TensorView q = project_queries(context, weights, layer, projected.normed);
  ops::rope(context, q, weights.rope, windows, q);

  const TensorView mixed =
      context.scratch("block.mixed", {rows, config.heads * config.head_dim}, weights.dtype);
  const TensorView out = mixed.split_last(config.head_dim);
  std::vector<ops::AttentionArgs> calls;
  calls.reserve(windows.size());
  for (const ops::RopeRows& window : windows) {
    calls.push_back({.q = q.slice(0, window.begin, window.end),
                     .k = k.slice(1, window.begin, window.end),
                     .v = v.slice(1, window.begin, window.end),
                     .offset = 0,
                     .scale = 1.0F / std::sqrt(static_cast<float>(config.head_dim)),
                     .out = out.slice(0, window.begin, window.end)});
  }
  ops::attention(context, calls);
  ops::matmul(context, mixed, block.o, x, {.bias = block.o_bias, .accumulate = true});
}

}  // namespace

void block_windows(Context& context, const LlamaWeights& weights, int64_t layer,
                   std::span<const ops::RopeRows> windows, const TensorView& x) {
  attend(context, weights, layer, windows, x);
  feed_forward(context, weights, layer, x);
}

}  // namespace memlong::backbone
