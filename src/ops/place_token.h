// What attention needs of one new token, put in its place in one go. The place is read in device
// memory when the work is done: recorded once (tensor/graph.h), it serves every token.
//
//   q[h] = R(p) q[h]     cached_k[g, p] = R(p) k[g]     cached_v[g, p] = v[g]
//   raw_k[g, p] = k[g]   raw_v[g, p] = v[g]
#pragma once

#include "ops/rope.h"
#include "tensor/context.h"
#include "tensor/tensor.h"

namespace memlong::ops {

/// All of one dtype, f32 or bf16; strides are free, the last dimension contiguous.
struct TokenPlaces {
  TensorView position;    ///< [1] i32, where the context computes: p
  TensorView q;           ///< [1, H, D], in place
  TensorView k;           ///< [1, G, D]
  TensorView v;           ///< [1, G, D]
  TensorView cached_k;    ///< [G, W, D]
  TensorView cached_v;    ///< [G, W, D]
  TensorView raw_k = {};  ///< [G, W, D] or empty, as raw_v
  TensorView raw_v = {};
};

/// p must lie in [0, W), and W in the table. On a GPU nothing is written where it does not.
void place_token(Context& context, const RopeTable& table, const TokenPlaces& token);

}  // namespace memlong::ops
