#include "retriever/encoder_network.h"

#include <cmath>
#include <vector>

#include "ops/attention.h"
#include "ops/copy.h"
#include "ops/embedding.h"
#include "ops/gelu.h"
#include "ops/layer_norm.h"

namespace memlong::retriever {
namespace {

void norm(Context& context, const EncoderWeights& weights, const EncoderNorm& norm,
          const TensorView& x, const TensorView& add = {}) {
  ops::layer_norm(context, {.x = x,
                            .add = add,
                            .weight = norm.weight,
                            .bias = norm.bias,
                            .eps = weights.config.norm_eps,
                            .out = x});
}

/// x in the dtype of products.
TensorView narrow(Context& context, const EncoderWeights& weights, const TensorView& x) {
  if (weights.dtype == DType::f32) return x;
  const TensorView out = context.scratch("encoder.narrow", x.shape(), weights.dtype);
  ops::copy(context, x, out);
  return out;
}

void embed(Context& context, const EncoderWeights& weights, std::span<const int32_t> ids,
           std::span<const int64_t> lengths, const TensorView& x) {
  ops::embedding(context, weights.words, ids, x);
  const int64_t first = weights.config.first_position;
  int64_t row = 0;
  for (const int64_t length : lengths) {
    norm(context, weights, weights.first_norm, x.slice(0, row, row + length),
         weights.places.view().slice(0, first, first + length));
    row += length;
  }
}

/// Queries, keys and values of the rows: qkv [T, 3C]. Every text is a memory that all its rows
/// read.
void attend(Context& context, const model::EncoderConfig& config, std::span<const int64_t> lengths,
            const TensorView& qkv, const TensorView& mixed) {
  const auto part = [&](int64_t index) {
    return qkv.slice(1, index * config.hidden, (index + 1) * config.hidden)
        .split_last(config.head_dim);
  };
  const TensorView q = part(0);
  const TensorView k = part(1).permute({1, 0, 2});
  const TensorView v = part(2).permute({1, 0, 2});
  std::vector<ops::MemorySegment> texts;
  int64_t row = 0;
  for (const int64_t length : lengths) {
    texts.push_back({0, length, k.slice(1, row, row + length), v.slice(1, row, row + length)});
    row += length;
  }
  std::vector<ops::AttentionArgs> calls;
  row = 0;
  for (const ops::MemorySegment& text : texts) {
    calls.push_back({.q = q.slice(0, row, row + text.end),
                     .k = k.slice(1, 0, 0),
                     .v = v.slice(1, 0, 0),
                     .offset = -text.end,
                     .scale = 1.0F / std::sqrt(static_cast<float>(config.head_dim)),
                     .memory = std::span(&text, 1),
                     .out = mixed.split_last(config.head_dim).slice(0, row, row + text.end)});
    row += text.end;
  }
  ops::attention(context, calls);
}

void run_layer(Context& context, const EncoderWeights& weights, const EncoderLayer& layer,
               std::span<const int64_t> lengths, const TensorView& x) {
  const int64_t rows = x.dim(0);
  const int64_t width = weights.config.hidden;
  const TensorView qkv = context.scratch("encoder.qkv", {rows, 3 * width}, weights.dtype);
  ops::matmul(context, narrow(context, weights, x), layer.qkv, qkv, {.bias = layer.qkv_bias});
  const TensorView mixed = context.scratch("encoder.mixed", {rows, width}, weights.dtype);
  attend(context, weights.config, lengths, qkv, mixed);
  ops::matmul(context, mixed, layer.out, x, {.bias = layer.out_bias, .accumulate = true});
  norm(context, weights, layer.attention_norm, x);
  const TensorView up = context.scratch("encoder.up", {rows, weights.config.ffn}, weights.dtype);
  ops::matmul(context, narrow(context, weights, x), layer.up, up, {.bias = layer.up_bias});
  ops::gelu(context, up, up);
  ops::matmul(context, up, layer.down, x, {.bias = layer.down_bias, .accumulate = true});
  norm(context, weights, layer.output_norm, x);
}

}  // namespace

void encoder_forward(Context& context, const EncoderWeights& weights, std::span<const int32_t> ids,
                     std::span<const int64_t> lengths, const TensorView& x) {
  embed(context, weights, ids, lengths, x);
  for (const EncoderLayer& layer : weights.layers) {
    run_layer(context, weights, layer, lengths, x);
  }
}

}  // namespace memlong::retriever
