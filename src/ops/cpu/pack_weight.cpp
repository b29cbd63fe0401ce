#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <sstream>
#include <string>
#include <utility>

#include "ops/copy.h"
#include "ops/cpu/onednn.h"
#include "ops/matmul_kernels.h"
#include "tensor/parallel.h"

namespace memlong::ops {
namespace {

using cpu::BlockedWeight;
using dnnl::memory;

/// Of an element, on one thread.
constexpr double kReorderNanoseconds = 0.3;

bool padded(const memory::desc& layout) {
  const auto& dims = layout.data;
  return !std::equal(dims.dims, dims.dims + dims.ndims, dims.padded_dims);
}

/// All that a blocked layout consists of, in words.
std::string describe(const memory::desc& layout) {
  const dnnl_memory_desc_t& all = layout.data;
  const dnnl_blocking_desc_t& blocking = all.format_desc.blocking;
  std::ostringstream text;
  text << "type " << all.data_type << " format " << all.format_kind << " offset " << all.offset0
       << " flags " << all.extra.flags;
  for (int i = 0; i < all.ndims; ++i) {
    text << " dim " << all.dims[i] << '/' << all.padded_dims[i] << '+' << all.padded_offsets[i]
         << " stride " << blocking.strides[i];
  }
  for (int i = 0; i < blocking.inner_nblks; ++i) {
    text << " block " << blocking.inner_idxs[i] << ':' << blocking.inner_blks[i];
  }
  return text.str();
}

bool readable(const TensorView& part) {
  const auto address = reinterpret_cast<uintptr_t>(part.raw());
  return part.dtype() != DType::f16 && address % dtype_size(part.dtype()) == 0;
}

/// Puts a matrix [rows, columns] at row `row` of the stack into its place among the blocks; false
/// where that place does not begin or end with a block.
bool pack_part(cpu::OneDnn& onednn, const TensorView& part, int64_t row, bool transposed,
               const BlockedWeight& packed) {
  const int64_t rows = part.dim(0);
  const int64_t columns = part.dim(1);
  const int64_t stride = std::max(part.stride(0), columns);  // one row may have any stride
  const memory::dims dims = transposed ? memory::dims{rows, columns} : memory::dims{columns, rows};
  const memory::dims offset = transposed ? memory::dims{row, 0} : memory::dims{0, row};
  const memory::dims strides = transposed ? memory::dims{stride, 1} : memory::dims{1, stride};
  const memory::desc to = packed.layout.submemory_desc(dims, offset, true);
  if (to.is_zero()) return false;
  const memory::desc from(dims, cpu::onednn_type(part.dtype()), strides);
  cpu::reorder(onednn, from, part.raw(), to, packed.storage.view().raw());
  return true;
}

/// The parts stacked as [sum N_i, K] of `dtype`.
Tensor stack(Context& context, std::span<const TensorView> parts, int64_t rows, DType dtype) {
  Tensor stacked({rows, parts[0].dim(1)}, dtype);
  int64_t row = 0;
  for (const TensorView& part : parts) {
    copy(context, part, stacked.view().slice(0, row, row + part.dim(0)));
    row += part.dim(0);
  }
  return stacked;
}

bool pack_each(cpu::OneDnn& onednn, std::span<const TensorView> parts, bool transposed,
               const BlockedWeight& packed) {
  int64_t row = 0;
  for (const TensorView& part : parts) {
    if (!readable(part) || !pack_part(onednn, part, row, transposed, packed)) return false;
    row += part.dim(0);
  }
  return true;
}

}  // namespace

template <>
std::shared_ptr<const PackedWeight::Impl> pack_weight_kernel<Device::cpu>(
    Context& context, std::span<const TensorView> parts, DType dtype, const PackOptions& options) {
  int64_t rows = 0;
  for (const TensorView& part : parts) rows += part.dim(0);
  const int64_t columns = parts[0].dim(1);
  const int64_t n = options.transposed ? columns : rows;
  const int64_t k = options.transposed ? rows : columns;
  auto packed = std::make_shared<BlockedWeight>(n, k, dtype, Device::cpu);
  cpu::guarded("cannot pack a weight", [&] {
    auto& onednn = context.extension<cpu::OneDnn>();
    {
      const cpu::ThreadCount all(loop_threads(context));
      packed->layout = onednn.blocked_layout(n, k, dtype);
    }
    packed->blocks = cpu::bf16_blocks(packed->layout);
    const Shape size{static_cast<int64_t>(packed->layout.get_size())};
    if (options.storage != nullptr) {
      auto place = options.storage->next(packed->layout.get_size(), describe(packed->layout));
      packed->storage = Tensor(std::move(place.memory), size, DType::u8);
      if (place.filled) return;
    } else {
      packed->storage =
          padded(packed->layout) ? Tensor::zeros(size, DType::u8) : Tensor(size, DType::u8);
    }
    const double work = kReorderNanoseconds * static_cast<double>(rows * columns);
    const cpu::ThreadCount threads(threads_for(context, work));
    if (pack_each(onednn, parts, options.transposed, *packed)) return;
    const Tensor stacked = stack(context, parts, rows, dtype);
    MEMLONG_CHECK(pack_part(onednn, stacked, 0, options.transposed, *packed), "weights do not fit");
  });
  return packed;
}

template <>
std::shared_ptr<const PackedWeight::Impl> pack_transposed_kernel<Device::cpu>(
    Context& context, std::span<const TensorView> parts, const PackedWeight::Impl& packed) {
  return pack_weight_kernel<Device::cpu>(context, parts, packed.dtype, {.transposed = true});
}

}  // namespace memlong::ops
