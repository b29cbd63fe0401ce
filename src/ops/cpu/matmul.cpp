#include <cstddef>
#include <string>

#include "common/error.h"
#include "ops/copy.h"
#include "ops/cpu/onednn.h"
#include "ops/cpu/parallel.h"
#include "ops/matmul_kernels.h"

namespace memlong::ops {
namespace {

using cpu::BlockedWeight;
using dnnl::memory;

/// The layout is chosen for this many rows; oneDNN uses the same one from one row up.
constexpr int64_t kPrefillRows = 512;

memory::desc choose_layout(const dnnl::engine& engine, int64_t n, int64_t k, DType dtype) {
  const auto type = cpu::onednn_type(dtype);
  const memory::desc x({kPrefillRows, k}, type, memory::format_tag::ab);
  const memory::desc any({k, n}, type, memory::format_tag::any);
  const memory::desc out({kPrefillRows, n}, memory::data_type::f32, memory::format_tag::ab);
  return dnnl::matmul::primitive_desc(dnnl::matmul::desc(x, any, out), engine).weights_desc();
}

/// The parts stacked as [sum N_i, K] of `dtype`.
Tensor stack(Context& context, std::span<const TensorView> parts, int64_t n, DType dtype) {
  Tensor stacked({n, parts[0].dim(1)}, dtype);
  int64_t row = 0;
  for (const TensorView& part : parts) {
    copy(context, part, stacked.view().slice(0, row, row + part.dim(0)));
    row += part.dim(0);
  }
  return stacked;
}

/// On one thread: the weights come at 50 GB/s or so, products at 100 GFLOP/s (f32) or 800 (bf16).
double nanoseconds(int64_t rows, const PackedWeight::Impl& weight) {
  const auto elements = static_cast<double>(weight.n * weight.k);
  const bool wide = weight.dtype == DType::f32;
  return elements * ((wide ? 0.08 : 0.04) + (wide ? 0.02 : 0.0025) * static_cast<double>(rows));
}

/// oneDNN reports by exceptions of its own.
template <class Fn>
void guarded(const char* what, Fn&& fn) {
  try {
    fn();
  } catch (const dnnl::error& error) {
    const bool memory_short = error.status == dnnl_out_of_memory;
    fail(memory_short ? ErrorKind::capacity : ErrorKind::internal,
         std::string(what) + ": oneDNN: " + error.what());
  }
}

}  // namespace

template <>
std::shared_ptr<const PackedWeight::Impl> pack_weight_kernel<Device::cpu>(
    Context& context, std::span<const TensorView> parts, DType dtype) {
  int64_t n = 0;
  for (const TensorView& part : parts) n += part.dim(0);
  const int64_t k = parts[0].dim(1);
  auto packed = std::make_shared<BlockedWeight>(n, k, dtype, Device::cpu);
  guarded("cannot pack a weight", [&] {
    auto& onednn = context.extension<cpu::OneDnn>();
    const cpu::ThreadCount threads(context.threads());
    packed->layout = choose_layout(onednn.engine(), n, k, dtype);
    packed->storage = Tensor({static_cast<int64_t>(packed->layout.get_size())}, DType::u8);
    const Tensor stacked = stack(context, parts, n, dtype);
    const memory::desc plain({k, n}, cpu::onednn_type(dtype), memory::format_tag::ba);
    memory from(plain, onednn.engine(), stacked.view().raw());
    memory to(packed->layout, onednn.engine(), packed->storage.view().raw());
    dnnl::reorder(from, to).execute(onednn.stream(), from, to);
    onednn.stream().wait();
  });
  return packed;
}

template <>
void matmul_kernel<Device::cpu>(Context& context, const TensorView& x,
                                const PackedWeight::Impl& weight, const TensorView& out,
                                const MatmulOptions& options) {
  const auto& blocked = static_cast<const BlockedWeight&>(weight);
  const int64_t rows = x.dim(0);
  const bool bias = options.bias.raw() != nullptr;
  const int threads = cpu::threads_for(context, nanoseconds(rows, weight));
  const cpu::ThreadCount thread_count(threads);
  // One row has no stride that matters; a fixed one keeps the cache small.
  const cpu::ProductKey key{rows,
                            weight.n,
                            weight.k,
                            rows == 1 ? weight.k : x.stride(0),
                            rows == 1 ? weight.n : out.stride(0),
                            weight.dtype,
                            out.dtype(),
                            bias,
                            options.accumulate,
                            threads};
  guarded("matmul", [&] {
    auto& onednn = context.extension<cpu::OneDnn>();
    cpu::Product& product = onednn.product(key, blocked);
    product.x.set_data_handle(x.raw());
    product.weight.set_data_handle(blocked.storage.view().raw());
    product.out.set_data_handle(out.raw());
    if (bias) product.bias.set_data_handle(options.bias.raw());
    product.primitive.execute(onednn.stream(), product.arguments);
    onednn.stream().wait();
  });
}

}  // namespace memlong::ops
