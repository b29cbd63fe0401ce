#include "backbone/block_tokens.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "backbone/block_parts.h"
#include "common/error.h"
#include "ops/copy.h"
#include "ops/rope.h"

namespace memlong::backbone {
namespace {

TensorView row_of(const TensorView& x, size_t token) {
  const auto row = static_cast<int64_t>(token);
  return x.slice(0, row, row + 1);
}

void copy_raw(Context& context, const TokensCall& call, const TensorView& keys,
              const TensorView& values) {
  std::vector<ops::CopyPair> pairs;
  for (size_t i = 0; i < call.tokens.size(); ++i) {
    const TokenPlace& token = call.tokens[i];
    if (token.raw_k.empty()) continue;
    pairs.push_back({row_of(keys, i), token.raw_k.permute({1, 0, 2})});
    pairs.push_back({row_of(values, i), token.raw_v.permute({1, 0, 2})});
  }
  ops::copy(context, pairs);
}

/// Keys and values of the rows go into the caches, queries are rotated. Returns these.
TensorView place_rows(Context& context, const LlamaWeights& weights, const TokensCall& call) {
  const Projected projected = project_keys_values(context, weights, call.layer, call.x);
  const TensorView keys = heads_of(projected.kv, weights.config, 0);
  const TensorView values = heads_of(projected.kv, weights.config, 1);
  if (call.keeps_raw) copy_raw(context, call, keys, values);
  std::vector<ops::RopeRows> positions;
  std::vector<ops::CopyPair> pairs;
  for (size_t i = 0; i < call.tokens.size(); ++i) {
    const TokenPlace& token = call.tokens[i];
    const int64_t at = token.position;
    const auto row = static_cast<int64_t>(i);
    positions.push_back({.begin = row, .end = row + 1, .start = at});
    const auto place = [at](const TensorView& cached) {
      return cached.slice(1, at, at + 1).permute({1, 0, 2});
    };
    pairs.push_back({row_of(keys, i), place(token.cache->k(call.layer))});
    pairs.push_back({row_of(values, i), place(token.cache->v(call.layer))});
  }
  ops::rope(context, keys, weights.rope, positions, keys);
  ops::copy(context, pairs);
  const TensorView q = project_queries(context, weights, call.layer, projected.normed);
  ops::rope(context, q, weights.rope, positions, q);
  return q;
}

void attend(Context& context, const LlamaWeights& weights, const TokensCall& call) {
  const model::ModelConfig& config = weights.config;
  const BlockWeights& block = weights.blocks[static_cast<size_t>(call.layer)];
  const int64_t rows = call.x.dim(0);
  const TensorView q = place_rows(context, weights, call);
  const TensorView mixed =
      context.scratch("block.mixed", {rows, config.heads * config.head_dim}, weights.dtype);
  const TensorView out = mixed.split_last(config.head_dim);
  TensorView lse;
  if (call.reads && std::any_of(call.tokens.begin(), call.tokens.end(),
                                [](const TokenPlace& token) { return token.probe != nullptr; })) {
    lse = context.scratch("block.lse", {rows, config.heads}, DType::f32);
  }
  const float scale = 1.0F / std::sqrt(static_cast<float>(config.head_dim));
  std::vector<ops::AttentionArgs> calls;
  calls.reserve(call.tokens.size());
  for (size_t i = 0; i < call.tokens.size(); ++i) {
    const TokenPlace& token = call.tokens[i];
    calls.push_back({.q = row_of(q, i),
                     .k = token.cache->k(call.layer).slice(1, 0, token.position + 1),
                     .v = token.cache->v(call.layer).slice(1, 0, token.position + 1),
                     .offset = token.position,
                     .scale = scale,
                     .out = row_of(out, i)});
    if (!call.reads) continue;
    calls.back().memory = token.memory;
    if (token.probe != nullptr) calls.back().lse = row_of(lse, i);
  }
  ops::attention(context, calls);
  for (size_t i = 0; call.reads && i < call.tokens.size(); ++i) {
    const TokenPlace& token = call.tokens[i];
    if (token.probe == nullptr) continue;
    add_memory_mass(context, *token.probe, token.memory, calls[i].q, calls[i].lse, scale);
  }
  ops::matmul(context, mixed, block.o, call.x, {.bias = block.o_bias, .accumulate = true});
}

}  // namespace

void block_tokens(Context& context, const LlamaWeights& weights, const TokensCall& call) {
  MEMLONG_CHECK(call.x.dim(0) == static_cast<int64_t>(call.tokens.size()), "a row for each token");
  attend(context, weights, call);
  feed_forward(context, weights, call.layer, call.x);
}

}  // namespace memlong::backbone
