#include "retriever/encoder_network.h"

#include <cmath>

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

/// Queries, keys and values of the rows: qkv [T, 3C]. The whole text is a memory that all rows
/// read.
void attend(Context& context, const model::EncoderConfig& config, const TensorView& qkv,
            const TensorView& mixed) {
  const int64_t rows = qkv.dim(0);
  const auto part = [&](int64_t index) {
    return qkv.slice(1, index * config.hidden, (index + 1) * config.hidden)
        .split_last(config.head_dim);
  };
  const TensorView k = part(1).permute({1, 0, 2});
  const TensorView v = part(2).permute({1, 0, 2});
  const ops::MemorySegment text{.begin = 0, .end = rows, .k = k, .v = v};
  ops::attention(context, {.q = part(0),
                           .k = k.slice(1, 0, 0),
                           .v = v.slice(1, 0, 0),
                           .offset = -rows,
                           .scale = 1.0F / std::sqrt(static_cast<float>(config.head_dim)),
                           .memory = std::span(&text, 1),
                           .out = mixed.split_last(config.head_dim)});
}

void run_layer(Context& context, const EncoderWeights& weights, const EncoderLayer& layer,
               const TensorView& x) {
  const int64_t rows = x.dim(0);
  const int64_t width = weights.config.hidden;
  const TensorView qkv = context.scratch("encoder.qkv", {rows, 3 * width}, weights.dtype);
  ops::matmul(context, narrow(context, weights, x), layer.qkv, qkv, {.bias = layer.qkv_bias});
  const TensorView mixed = context.scratch("encoder.mixed", {rows, width}, weights.dtype);
  attend(context, weights.config, qkv, mixed);
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
                     const TensorView& x) {
  const int64_t first = weights.config.first_position;
  ops::embedding(context, weights.words, ids, x);
  norm(context, weights, weights.first_norm, x,
       weights.places.view().slice(0, first, first + x.dim(0)));
  for (const EncoderLayer& layer : weights.layers) run_layer(context, weights, layer, x);
}

}  // namespace memlong::retriever
