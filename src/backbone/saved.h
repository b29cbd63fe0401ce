// What a block keeps of its forward pass for the backward pass.
#pragma once

#include <cstdint>

#include "model/config.h"
#include "ops/zero.h"
#include "tensor/context.h"
#include "tensor/tensor.h"

namespace memlong::backbone {

/// Memory of the context's device that is used again from step to step: grows, never shrinks. The
/// next get() loses what the last one held. Always with contexts of one device.
class GrowingBuffer {
 public:
  TensorView get(Context& context, const Shape& shape, DType dtype) {
    const int64_t bytes = shape.elements() * static_cast<int64_t>(dtype_size(dtype));
    if (storage_.empty() || static_cast<int64_t>(storage_.bytes()) < bytes) {
      context.activate();
      storage_ = Tensor();  // the old one goes first
      storage_ = Tensor({bytes}, DType::u8, context.device());
    }
    return {storage_.view().raw(), dtype, shape, context.device()};
  }
  TensorView zeros(Context& context, const Shape& shape, DType dtype) {
    const TensorView view = get(context, shape, dtype);
    ops::zero(context, view);
    return view;
  }

 private:
  Tensor storage_;
};

/// Rows of all sequences are packed, without padding: R rows go through the block. What is cheap is
/// not kept but computed again: the normed rows and the gated ones.
struct SavedBlock {
  TensorView x;        ///< [R or more, C] f32: the block's input
  TensorView middle;   ///< [R, C] f32: after attention
  TensorView q;        ///< [R, H*D], rotated
  TensorView kv;       ///< [R, 2*G*D]: keys, rotated, then values
  TensorView mixed;    ///< [R, H*D]: what attention made
  TensorView lse;      ///< [R, H] f32
  TensorView gate_up;  ///< [R, 2*F]; the backward pass writes over it
};

/// Memory for everything of a SavedBlock but its input.
class SavedBuffers {
 public:
  SavedBlock get(Context& context, const model::ModelConfig& config, int64_t rows, DType dtype,
                 const TensorView& x) {
    const int64_t q = config.heads * config.head_dim;
    const int64_t kv = 2 * config.kv_heads * config.head_dim;
    return {.x = x,
            .middle = middle_.get(context, {rows, config.hidden}, DType::f32),
            .q = q_.get(context, {rows, q}, dtype),
            .kv = kv_.get(context, {rows, kv}, dtype),
            .mixed = mixed_.get(context, {rows, q}, dtype),
            .lse = lse_.get(context, {rows, config.heads}, DType::f32),
            .gate_up = gate_up_.get(context, {rows, 2 * config.ffn}, dtype)};
  }

 private:
  GrowingBuffer middle_, q_, kv_, mixed_, lse_, gate_up_;
};

}  // namespace memlong::backbone
