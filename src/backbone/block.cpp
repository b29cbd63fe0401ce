#include "backbone/block.h"

#include <cmath>

#include "ops/copy.h"
#include "ops/rms_norm.h"
#include "ops/swiglu.h"

namespace memlong::backbone {
namespace {

/// n = rms_norm(x), and [keys | values] of it: returns {n [T, C], kv [T, 2*G*D]}.
struct Projected {
  TensorView normed;
  TensorView kv;
};

Projected project_keys_values(Context& context, const LlamaWeights& weights, int64_t layer,
                              const TensorView& x) {
  const model::ModelConfig& config = weights.config;
  const BlockWeights& block = weights.blocks[static_cast<size_t>(layer)];
  const int64_t rows = x.dim(0);
  const TensorView normed = context.scratch("block.normed", {rows, config.hidden}, weights.dtype);
  ops::rms_norm(context, x, block.input_norm, config.rms_eps, normed);
  const TensorView kv =
      context.scratch("block.kv", {rows, 2 * config.kv_heads * config.head_dim}, weights.dtype);
  ops::matmul(context, normed, block.kv, kv, {.bias = block.kv_bias});
  return {normed, kv};
}

/// Columns of kv as heads: keys (part 0) or values (part 1), [T, G, D].
TensorView heads_of(const TensorView& kv, const model::ModelConfig& config, int part) {
  const int64_t width = config.kv_heads * config.head_dim;
  return kv.slice(1, part * width, (part + 1) * width).split_last(config.head_dim);
}

void add_memory_mass(Context& context, const BlockCall& call, const TensorView& q,
                     const TensorView& lse, float scale) {
  MassProbe& probe = *call.probe;
  if (probe.mass.empty()) {
    for (const ops::MemorySegment& segment : call.memory) {
      probe.mass.push_back(
          segment.k.empty() ? Tensor() : Tensor::zeros({segment.k.dim(1)}, DType::f32, q.device()));
    }
  }
  for (size_t i = 0; i < call.memory.size(); ++i) {
    const ops::MemorySegment& segment = call.memory[i];
    if (segment.k.empty()) continue;
    ops::attention_memory_mass(context, q.slice(0, segment.begin, segment.end), segment.k,
                               lse.slice(0, segment.begin, segment.end), scale, probe.mass[i]);
  }
  probe.rows += q.dim(0) * q.dim(1);
}

void attend(Context& context, const LlamaWeights& weights, KvCache& cache, const BlockCall& call) {
  const model::ModelConfig& config = weights.config;
  const BlockWeights& block = weights.blocks[static_cast<size_t>(call.layer)];
  const int64_t rows = call.x.dim(0);
  const int64_t end = call.offset + rows;
  const Projected projected = project_keys_values(context, weights, call.layer, call.x);
  const TensorView keys = heads_of(projected.kv, config, 0);
  const TensorView values = heads_of(projected.kv, config, 1);
  if (!call.raw_k.empty()) {
    ops::copy(context, keys, call.raw_k.permute({1, 0, 2}));
    ops::copy(context, values, call.raw_v.permute({1, 0, 2}));
  }
  const TensorView cached_k = cache.k(call.layer);
  const TensorView cached_v = cache.v(call.layer);
  ops::rope(context, keys, weights.rope, call.offset,
            cached_k.slice(1, call.offset, end).permute({1, 0, 2}));
  ops::copy(context, values, cached_v.slice(1, call.offset, end).permute({1, 0, 2}));

  const int64_t width = config.heads * config.head_dim;
  const TensorView q_rows = context.scratch("block.q", {rows, width}, weights.dtype);
  ops::matmul(context, projected.normed, block.q, q_rows, {.bias = block.q_bias});
  const TensorView q = q_rows.split_last(config.head_dim);
  ops::rope(context, q, weights.rope, call.offset, q);

  const TensorView mixed = context.scratch("block.mixed", {rows, width}, weights.dtype);
  TensorView lse;
  if (call.probe != nullptr) lse = context.scratch("block.lse", {rows, config.heads}, DType::f32);
  const float scale = 1.0F / std::sqrt(static_cast<float>(config.head_dim));
  ops::attention(context, {.q = q,
                           .k = cached_k.slice(1, 0, end),
                           .v = cached_v.slice(1, 0, end),
                           .offset = call.offset,
                           .scale = scale,
                           .memory = call.memory,
                           .out = mixed.split_last(config.head_dim),
                           .lse = lse});
  if (call.probe != nullptr) add_memory_mass(context, call, q, lse, scale);
  ops::matmul(context, mixed, block.o, call.x, {.bias = block.o_bias, .accumulate = true});
}

void feed_forward(Context& context, const LlamaWeights& weights, const BlockCall& call) {
  const model::ModelConfig& config = weights.config;
  const BlockWeights& block = weights.blocks[static_cast<size_t>(call.layer)];
  const int64_t rows = call.x.dim(0);
  const TensorView normed = context.scratch("block.normed", {rows, config.hidden}, weights.dtype);
  ops::rms_norm(context, call.x, block.post_norm, config.rms_eps, normed);
  const TensorView gate_up =
      context.scratch("block.gate_up", {rows, 2 * config.ffn}, weights.dtype);
  ops::matmul(context, normed, block.gate_up, gate_up, {.bias = block.gate_up_bias});
  const TensorView gated = context.scratch("block.gated", {rows, config.ffn}, weights.dtype);
  ops::swiglu(context, gate_up, gated);
  ops::matmul(context, gated, block.down, call.x, {.bias = block.down_bias, .accumulate = true});
}

}  // namespace

void block_forward(Context& context, const LlamaWeights& weights, KvCache& cache,
                   const BlockCall& call) {
  attend(context, weights, cache, call);
  feed_forward(context, weights, call);
}

void block_keys_values(Context& context, const LlamaWeights& weights, int64_t layer,
                       const TensorView& x, const TensorView& raw_k, const TensorView& raw_v) {
  const Projected projected = project_keys_values(context, weights, layer, x);
  ops::copy(context, heads_of(projected.kv, weights.config, 0), raw_k.permute({1, 0, 2}));
  ops::copy(context, heads_of(projected.kv, weights.config, 1), raw_v.permute({1, 0, 2}));
}

}  // namespace memlong::backbone
