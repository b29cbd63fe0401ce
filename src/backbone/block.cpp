#include "backbone/block.h"

#include <cmath>

#include "backbone/block_parts.h"
#include "ops/copy.h"
#include "ops/place_token.h"

namespace memlong::backbone {
namespace {

/// Keys and values of the rows go into the cache, queries are rotated. Returns these.
TensorView place_rows(Context& context, const LlamaWeights& weights, KvCache& cache,
                      const BlockCall& call) {
  const model::ModelConfig& config = weights.config;
  const int64_t end = call.offset + call.x.dim(0);
  const Projected projected = project_keys_values(context, weights, call.layer, call.x);
  const TensorView keys = heads_of(projected.kv, config, 0);
  const TensorView values = heads_of(projected.kv, config, 1);
  const TensorView cached_k = cache.k(call.layer);
  const TensorView cached_v = cache.v(call.layer);
  if (call.position.raw() != nullptr) {
    const TensorView q = project_queries(context, weights, call.layer, projected.normed);
    ops::place_token(context, weights.rope,
                     {.position = call.position,
                      .q = q,
                      .k = keys,
                      .v = values,
                      .cached_k = cached_k,
                      .cached_v = cached_v,
                      .raw_k = call.raw_k,
                      .raw_v = call.raw_v});
    return q;
  }
  if (!call.raw_k.empty()) {
    ops::copy(context, keys, call.raw_k.permute({1, 0, 2}));
    ops::copy(context, values, call.raw_v.permute({1, 0, 2}));
  }
  ops::rope(context, keys, weights.rope, call.offset,
            cached_k.slice(1, call.offset, end).permute({1, 0, 2}));
  ops::copy(context, values, cached_v.slice(1, call.offset, end).permute({1, 0, 2}));
  const TensorView q = project_queries(context, weights, call.layer, projected.normed);
  ops::rope(context, q, weights.rope, call.offset, q);
  return q;
}

void attend(Context& context, const LlamaWeights& weights, KvCache& cache, const BlockCall& call) {
  const model::ModelConfig& config = weights.config;
  const BlockWeights& block = weights.blocks[static_cast<size_t>(call.layer)];
  const int64_t rows = call.x.dim(0);
  const TensorView q = place_rows(context, weights, cache, call);
  // One query whose position is in memory may stand anywhere in the window.
  const int64_t end = call.position.raw() != nullptr ? cache.window() : call.offset + rows;
  const int64_t width = config.heads * config.head_dim;
  const TensorView mixed = context.scratch("block.mixed", {rows, width}, weights.dtype);
  TensorView lse;
  if (call.probe != nullptr) lse = context.scratch("block.lse", {rows, config.heads}, DType::f32);
  const float scale = 1.0F / std::sqrt(static_cast<float>(config.head_dim));
  ops::attention(context, {.q = q,
                           .k = cache.k(call.layer).slice(1, 0, end),
                           .v = cache.v(call.layer).slice(1, 0, end),
                           .offset = call.offset,
                           .scale = scale,
                           .memory = call.memory,
                           .out = mixed.split_last(config.head_dim),
                           .lse = lse,
                           .position = call.position});
  if (call.probe != nullptr) {
    add_memory_mass(context, *call.probe, call.memory, q, lse, scale);
  }
  ops::matmul(context, mixed, block.o, call.x, {.bias = block.o_bias, .accumulate = true});
}

}  // namespace

void block_forward(Context& context, const LlamaWeights& weights, KvCache& cache,
                   const BlockCall& call) {
  attend(context, weights, cache, call);
  feed_forward(context, weights, call.layer, call.x);
}

void block_keys_values(Context& context, const LlamaWeights& weights, int64_t layer,
                       const TensorView& x, const TensorView& raw_k, const TensorView& raw_v) {
  const Projected projected = project_keys_values(context, weights, layer, x);
  ops::copy(context, heads_of(projected.kv, weights.config, 0), raw_k.permute({1, 0, 2}));
  ops::copy(context, heads_of(projected.kv, weights.config, 1), raw_v.permute({1, 0, 2}));
}

}  // namespace memlong::backbone
