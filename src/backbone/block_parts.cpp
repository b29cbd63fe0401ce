#include "backbone/block_parts.h"

#include "ops/rms_norm.h"
#include "ops/swiglu.h"

namespace memlong::backbone {

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

TensorView heads_of(const TensorView& kv, const model::ModelConfig& config, int part) {
  const int64_t width = config.kv_heads * config.head_dim;
  return kv.slice(1, part * width, (part + 1) * width).split_last(config.head_dim);
}

TensorView project_queries(Context& context, const LlamaWeights& weights, int64_t layer,
                           const TensorView& normed) {
  const model::ModelConfig& config = weights.config;
  const BlockWeights& block = weights.blocks[static_cast<size_t>(layer)];
  const TensorView q =
      context.scratch("block.q", {normed.dim(0), config.heads * config.head_dim}, weights.dtype);
  ops::matmul(context, normed, block.q, q, {.bias = block.q_bias});
  return q.split_last(config.head_dim);
}

void add_memory_mass(Context& context, MassProbe& probe, std::span<const ops::MemorySegment> memory,
                     const TensorView& q, const TensorView& lse, float scale) {
  if (probe.mass.empty()) {
    for (const ops::MemorySegment& segment : memory) {
      probe.mass.push_back(
          segment.k.empty() ? Tensor() : Tensor::zeros({segment.k.dim(1)}, DType::f32, q.device()));
    }
  }
  for (size_t i = 0; i < memory.size(); ++i) {
    const ops::MemorySegment& segment = memory[i];
    if (segment.k.empty()) continue;
    ops::attention_memory_mass(context, q.slice(0, segment.begin, segment.end), segment.k,
                               lse.slice(0, segment.begin, segment.end), scale, probe.mass[i]);
  }
  probe.rows += q.dim(0) * q.dim(1);
}

void feed_forward(Context& context, const LlamaWeights& weights, int64_t layer,
                  const TensorView& x) {
  const model::ModelConfig& config = weights.config;
  const BlockWeights& block = weights.blocks[static_cast<size_t>(layer)];
  const int64_t rows = x.dim(0);
  const TensorView normed = context.scratch("block.normed", {rows, config.hidden}, weights.dtype);
  ops::rms_norm(context, x, block.post_norm, config.rms_eps, normed);
  const TensorView gate_up =
      context.scratch("block.gate_up", {rows, 2 * config.ffn}, weights.dtype);
  ops::matmul(context, normed, block.gate_up, gate_up, {.bias = block.gate_up_bias});
  const TensorView gated = context.scratch("block.gated", {rows, config.ffn}, weights.dtype);
  ops::swiglu(context, gate_up, gated);
  ops::matmul(context, gated, block.down, x, {.bias = block.down_bias, .accumulate = true});
}

}  // namespace memlong::backbone
