// Matrix products with weights that are packed once.
//
//   out[t, n] = sum_k x[t, k] * weight[n, k] (+ bias[n]) (+ out[t, n] before the call)
//
// Weights come as Hugging Face stores a linear layer, [N, K] = [out, in], and are re-ordered once
// into the layout the device multiplies fastest. Sums accumulate in f32.
#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "ops/packed_storage.h"
#include "tensor/context.h"
#include "tensor/tensor.h"

namespace memlong::ops {

/// A weight matrix in the device's own layout. Immutable, cheap to copy (shared), thread-safe.
class PackedWeight {
 public:
  struct Impl;
  PackedWeight() = default;
  explicit PackedWeight(std::shared_ptr<const Impl> impl) : impl_(std::move(impl)) {}
  [[nodiscard]] bool empty() const { return impl_ == nullptr; }
  [[nodiscard]] int64_t out_features() const;  ///< N
  [[nodiscard]] int64_t in_features() const;   ///< K
  [[nodiscard]] DType dtype() const;           ///< f32 or bf16
  [[nodiscard]] size_t bytes() const;          ///< memory held, padding included
  [[nodiscard]] const Impl& impl() const { return *impl_; }

 private:
  std::shared_ptr<const Impl> impl_;
};

/// Packs matrices [N_i, K] (f32, bf16 or f16; any alignment; row contiguous) stacked by rows into
/// one [sum N_i, K] of `dtype` (f32 or bf16). The sources are not needed afterwards. On the CPU the
/// packed weight lies in `storage` where that is given, and what is there already is taken: then
/// the elements of the parts are not looked at.
PackedWeight pack_weight(Context& context, std::span<const TensorView> parts, DType dtype,
                         PackedStorage* storage = nullptr);

struct MatmulOptions {
  TensorView bias = {};     ///< [N] f32, or empty
  bool accumulate = false;  ///< add to what `out` holds; the sum is rounded once
};

/// x [T, K] of the weight's dtype (rows contiguous, row stride free), out [T, N] f32 or the
/// weight's dtype (rows contiguous, row stride free). T may be 0. x and out must not overlap.
/// Where rows do not follow each other, x or out is copied.
void matmul(Context& context, const TensorView& x, const PackedWeight& weight,
            const TensorView& out, const MatmulOptions& options = {});

/// Packs the transpose of the stacked parts: from [sum N_i, K] a weight with out_features K and
/// in_features sum N_i, so that matmul(dout [T, N]) gives the gradient of x [T, K].
PackedWeight pack_weight_transposed(Context& context, std::span<const TensorView> parts,
                                    DType dtype);

/// Both of the same parts. On a GPU they share their memory.
struct PackedPair {
  PackedWeight weight;
  PackedWeight transposed;
};
PackedPair pack_weight_both(Context& context, std::span<const TensorView> parts, DType dtype);

}  // namespace memlong::ops
