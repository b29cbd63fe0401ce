// Device kernels of matmul.h, and what every packed weight carries.
#pragma once

#include <memory>
#include <span>

#include "ops/matmul.h"

namespace memlong::ops {

/// A device adds its own storage by inheritance.
struct PackedWeight::Impl {
  Impl(int64_t out_features, int64_t in_features, DType type, Device where)
      : n(out_features), k(in_features), dtype(type), device(where) {}
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;
  virtual ~Impl() = default;
  [[nodiscard]] virtual size_t bytes() const = 0;

  int64_t n;
  int64_t k;
  DType dtype;
  Device device;
};

/// What pack_weight_kernel makes: the stacked matrix or its transpose, in memory of its own or in
/// storage.
struct PackOptions {
  bool transposed = false;
  PackedStorage* storage = nullptr;
};

template <Device D>
std::shared_ptr<const PackedWeight::Impl> pack_weight_kernel(Context& context,
                                                             std::span<const TensorView> parts,
                                                             DType dtype,
                                                             const PackOptions& options);
/// What pack_weight_kernel gives for the transpose of parts of which `packed` is the weight.
template <Device D>
std::shared_ptr<const PackedWeight::Impl> pack_transposed_kernel(Context& context,
                                                                 std::span<const TensorView> parts,
                                                                 const PackedWeight::Impl& packed);
template <Device D>
void matmul_kernel(Context& context, const TensorView& x, const PackedWeight::Impl& weight,
                   const TensorView& out, const MatmulOptions& options);

template <>
std::shared_ptr<const PackedWeight::Impl> pack_weight_kernel<Device::cpu>(
    Context& context, std::span<const TensorView> parts, DType dtype, const PackOptions& options);
template <>
std::shared_ptr<const PackedWeight::Impl> pack_transposed_kernel<Device::cpu>(
    Context& context, std::span<const TensorView> parts, const PackedWeight::Impl& packed);
template <>
void matmul_kernel<Device::cpu>(Context& context, const TensorView& x,
                                const PackedWeight::Impl& weight, const TensorView& out,
                                const MatmulOptions& options);

template <>
std::shared_ptr<const PackedWeight::Impl> pack_weight_kernel<Device::cuda>(
    Context& context, std::span<const TensorView> parts, DType dtype, const PackOptions& options);
template <>
std::shared_ptr<const PackedWeight::Impl> pack_transposed_kernel<Device::cuda>(
    Context& context, std::span<const TensorView> parts, const PackedWeight::Impl& packed);
template <>
void matmul_kernel<Device::cuda>(Context& context, const TensorView& x,
                                 const PackedWeight::Impl& weight, const TensorView& out,
                                 const MatmulOptions& options);

}  // namespace memlong::ops
